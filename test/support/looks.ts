import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Page } from "playwright-core";

const axe = readFileSync(fileURLToPath(import.meta.resolve("axe-core/axe.min.js")), "utf8");

/** What axe finds, in short. It has rules for all of WCAG 2.2 AA that a program can check, and for good practice. */
async function violationsIn(page: Page): Promise<readonly string[]> {
  await page.evaluate(axe);
  return page.evaluate(`axe
    .run({ resultTypes: ["violations"] })
    .then(({ violations }) =>
      violations.flatMap(({ id, nodes }) => nodes.map(({ target, failureSummary }) => [id, target, failureSummary].join(" "))),
    )`);
}

/** Asserts that a page is accessible and not wider than its window. */
export async function assertFine(page: Page): Promise<void> {
  assert.deepEqual(await violationsIn(page), []);
  const width = await page.evaluate<number>("document.scrollingElement.scrollWidth");
  const { width: window } = page.viewportSize()!;
  assert.ok(width <= window, `${width} px in a window of ${window} px`);
}

export const phone = { viewport: { width: 375, height: 812 }, isMobile: true, hasTouch: true };
export const desktop = { viewport: { width: 1280, height: 900 } };
