import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { after, before } from "mocha";
import { chromium } from "playwright-core";
import type { Browser, BrowserContextOptions, Page } from "playwright-core";

const names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/** Lets it run as root, and prevents requests to other servers than the page's. */
const args = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** The program that CHROMIUM names, or the first one on the PATH; undefined where there is none. */
function findChromium(): string | undefined {
  const { CHROMIUM, PATH = "" } = process.env;
  if (CHROMIUM) return CHROMIUM;
  const places = names.flatMap((name) => PATH.split(delimiter).map((folder) => join(folder, name)));
  return places.find(isProgram);
}

function isProgram(place: string): boolean {
  try {
    accessSync(place, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** For the body of a `describe`: a headless Chromium for its tests, which are skipped where none is installed. */
export function chromiumSuite(): () => Browser {
  let browser: Browser | undefined;
  before("start Chromium", async function () {
    const executablePath = findChromium();
    if (executablePath === undefined) {
      console.log("    skipped: no Chromium on the PATH, and CHROMIUM names none");
      return this.skip();
    }
    // Playwright turns this cache off, and browsers cache a page that the user has left.
    browser = await chromium.launch({
      executablePath,
      args,
      ignoreDefaultArgs: ["--disable-back-forward-cache"],
    });
  });
  after("stop Chromium", () => browser?.close());
  return () => {
    if (browser === undefined) throw new Error("it has not started yet");
    return browser;
  };
}

/** A page with separate cookies, caches and storage. */
export interface WatchedPage {
  readonly page: Page;
  /** The errors and warnings of the console, and what the page's policy has blocked. */
  readonly errors: readonly string[];
  /** The url of each request, the page's own included. */
  readonly requested: readonly string[];
  close(): Promise<void>;
}

/** Opens a page and watches what it does from the beginning. */
export async function openPage(browser: Browser, options: BrowserContextOptions = {}): Promise<WatchedPage> {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  const complaints: string[] = [];
  const requested: string[] = [];
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("request", (request) => requested.push(request.url()));
  await page.addInitScript(`addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI }) =>
    console.error("blocked by", violatedDirective, blockedURI))`);
  return { page, errors: complaints, requested, close: () => context.close() };
}
