import { afterEach } from "mocha";
import type { BrowserContextOptions, Locator, Page } from "playwright-core";
import { chromiumSuite, openPage } from "./chromium.ts";
import type { WatchedPage } from "./chromium.ts";

/**
 * For the body of a `describe`: opens the page that the gateway at `origin` serves, once its scripts have run if they
 * may, and closes it after the test.
 */
export function docsSuite(): (origin: string, options?: BrowserContextOptions) => Promise<WatchedPage> {
  const browser = chromiumSuite();
  const opened: WatchedPage[] = [];
  afterEach("close the pages", async () => {
    for (const { close } of opened.splice(0)) await close();
  });
  return async function openDocs(origin, options) {
    const watched = await openPage(browser(), options);
    opened.push(watched);
    await watched.page.goto(`${origin}/docs`);
    if (options?.javaScriptEnabled !== false)
      await watched.page.locator("[role=tab][aria-selected=true]").waitFor();
    return watched;
  };
}

/** An operation that is open on the page, with the parts of its form. */
export interface OpenOperation {
  readonly block: Locator;
  readonly apiKey: Locator;
  readonly status: Locator;
  readonly body: Locator;
  readonly events: Locator;
  /** The field of a parameter, or `body`. */
  field(name: string): Locator;
  press(button: string): Promise<void>;
}

/** Opens an operation, with its optional parameters. */
export async function openOperation(page: Page, id: string): Promise<OpenOperation> {
  const block = page.locator(`#${id}`);
  const form = block.locator("form");
  await block.locator("summary").first().click();
  const optional = form.getByText("Optional parameters");
  if ((await optional.count()) > 0) await optional.click();
  return {
    block,
    apiKey: form.getByLabel("API key"),
    status: form.getByRole("status"),
    body: form.getByRole("region", { name: "Response body" }),
    events: form.getByRole("log"),
    field: (name) => form.locator(`[name="${name}"]`),
    press: (name) => form.getByRole("button", { name, exact: true }).click(),
  };
}

/** Sends what the form describes; resolves to the status of the response, once all of it is shown. */
export async function send({ block, press, status }: OpenOperation): Promise<number> {
  await press("Send");
  await block.locator(".stop").waitFor({ state: "hidden" });
  return Number.parseInt(await status.innerText());
}
