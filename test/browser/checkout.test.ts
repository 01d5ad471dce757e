import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach } from "mocha";
import type { BrowserContextOptions } from "playwright-core";
import { startSandbox } from "../../src/sandbox/start-sandbox.ts";
import { chromiumSuite, openPage, type WatchedPage } from "../support/chromium.ts";
import { suite } from "../support/gateway.ts";
import { assertFine, desktop, phone } from "../support/looks.ts";
import { jsonPost, oneStep } from "../support/samples.ts";
import { sandboxSettings } from "../support/sandbox.ts";
import { openCheckout, readCredits, startSellingGateway } from "../support/selling-gateway.ts";

/** A site that buyers return to. */
async function startShop() {
  const page = "<!doctype html><title>Shop</title><link rel=icon href=data:,>";
  const server = createServer((_req, res) => res.setHeader("Content-Type", "text/html").end(page));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

describe("the page of a checkout in the sandbox", () => {
  const browser = chromiumSuite();
  const shop = suite(startShop);
  const sandbox = suite(() => startSandbox({ ...sandboxSettings, openingCredits: 15n }));
  const gateway = suite(() => startSellingGateway(sandbox()));
  const opened: WatchedPage[] = [];
  afterEach("close the pages", async () => {
    for (const { close } of opened.splice(0)) await close();
  });

  async function open(token: string, options?: BrowserContextOptions) {
    const url = await openCheckout(gateway(), token, shop().url);
    const watched = await openPage(browser(), options);
    opened.push(watched);
    await watched.page.goto(url);
    return { ...watched, url, session: url.slice(url.lastIndexOf("/") + 1) };
  }

  const submit = async (token: string) => gateway().fetch("/v1/workflows", { ...jsonPost(oneStep), token });

  it("lets a buyer who has run out of credits pay and go on", async () => {
    assert.equal((await submit("alice-key")).status, 201);
    const rejected = await submit("alice-key");
    assert.equal(rejected.status, 402);
    assert.equal(((await rejected.json()) as { code: string }).code, "INSUFFICIENT_CREDITS");

    const { page, session, errors, requested } = await open("alice-key");
    await page.getByRole("button", { name: "Pay", exact: true }).click();
    await page.waitForURL(`${shop().url}/paid?session=${session}`);
    const { balance, reasons } = await readCredits(gateway(), "alice-key");
    assert.equal(balance, 505);
    assert.equal(reasons[0], `topup:stripe:${session}`);
    assert.equal((await submit("alice-key")).status, 201);
    assert.deepEqual(errors, []);
    const origins = new Set(requested.map((url) => new URL(url).origin));
    assert.deepEqual([...origins], [sandbox().stripeUrl, shop().url]);
  });

  it("leads back without a payment", async () => {
    const { page } = await open("bob-key");
    await page.getByRole("link", { name: "Cancel" }).click();
    await page.waitForURL(`${shop().url}/cancelled`);
    assert.deepEqual(await readCredits(gateway(), "bob-key"), { balance: 15, reasons: ["grant:admin"] });
  });

  for (const [device, size] of [
    ["a phone", phone],
    ["a desktop", desktop],
  ] as const)
    for (const colorScheme of ["light", "dark"] as const)
      it(`is accessible and fits on ${device}, ${colorScheme}, before and after the payment`, async () => {
        const { page, url, errors } = await open("carol-key", { ...size, colorScheme });
        // The stylesheet is in force.
        assert.equal(await page.evaluate("getComputedStyle(document.body).margin"), "0px");
        await assertFine(page);
        await page.getByRole("button", { name: "Pay", exact: true }).click();
        await page.waitForURL(/\/paid/);
        await page.goto(url);
        await page.getByRole("heading", { name: "Paid $5.00" }).waitFor();
        await assertFine(page);
        assert.deepEqual(errors, []);
      });
});
