import { afterEach } from "mocha";
import type { BrowserContextOptions, Locator, Page } from "playwright-core";
import { chromiumSuite, openPage } from "./chromium.ts";
import type { WatchedPage } from "./chromium.ts";

/**
 * For the body of a `describe`: opens the page that the gateway at `origin` serves, once its operations are listed, and
 * closes it after the test.
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
    await watched.page.locator(".opblock").last().waitFor();
    return watched;
  };
}

/** Enters a token in the dialog of the page. */
export async function authorise(page: Page, token: string): Promise<void> {
  await page.getByRole("button", { name: "Authorize", exact: true }).first().click();
  const dialog = page.locator(".modal-ux");
  await dialog.getByRole("textbox").fill(token);
  await dialog.getByRole("button", { name: "Apply credentials" }).click();
  await dialog.getByRole("button", { name: "Close", exact: true }).last().click();
}

/** Expands an operation; returns its fields, its button and its output. */
export async function expand(page: Page, operation: string) {
  const block = page.locator(`[id$="-${operation}"].opblock`);
  await block.locator(".opblock-summary-control").click();
  const response = block.locator(".live-responses-table");
  return {
    block,
    response: response,
    body: response.locator(".response-col_description pre").first(),
    parameter: (name: string) => block.locator(`tr[data-param-name="${name}"]`).locator("input, select"),
    press: (name: string) => block.getByRole("button", { name, exact: true }).click(),
  };
}

/** Resolves to the status that is shown. */
export async function statusIn(response: Locator): Promise<number> {
  return Number.parseInt(await response.locator("tbody .response-col_status").first().innerText());
}
