import assert from "node:assert/strict";
import { createServer, request as forward } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import type { BrowserContextOptions, Page } from "playwright-core";
import { startSandbox } from "../../src/sandbox/start-sandbox.ts";
import { authorise, docsSuite, expand, statusIn } from "../support/docs-page.ts";
import { adminToken, startTestGateway, suite } from "../support/gateway.ts";
import { threeSteps } from "../support/samples.ts";
import { sandboxSettings, settingsFor } from "../support/sandbox.ts";

const phone: BrowserContextOptions = {
  viewport: { width: 375, height: 812 },
  isMobile: true,
  hasTouch: true,
};

async function widthOf(page: Page): Promise<{ page: number; window: number }> {
  return page.evaluate("({ page: document.scrollingElement.scrollWidth, window: innerWidth })");
}

describe("the page of GET /docs", () => {
  const open = docsSuite();
  const sandbox = suite(() => startSandbox(sandboxSettings));
  const gateway = suite(() => startTestGateway(settingsFor(sandbox())));
  const openDocs = (options?: BrowserContextOptions) => open(gateway().url, options);

  it("submits the example workflow with an API key, complains of nothing and asks nobody else", async () => {
    const { page, errors: complaints, requested } = await openDocs();
    await authorise(page, "alice-key");
    const submit = await expand(page, "submitWorkflow");
    const sent = page.waitForRequest((request) => request.method() === "POST");
    await submit.press("Execute");

    assert.equal(await statusIn(submit.response), 201);
    const { id } = JSON.parse(await submit.body.innerText());
    const read = await gateway().fetch(`/v1/workflows/${id}`, { token: "alice-key" });
    assert.equal(((await read.json()) as { name: string }).name, threeSteps.name);
    // What is optional and was not filled in is not sent.
    assert.equal((await sent).url(), `${gateway().url}/v1/workflows`);
    assert.equal((await sent).headers()["idempotency-key"], undefined);
    assert.deepEqual((await sent).postDataJSON(), threeSteps);

    assert.deepEqual(complaints, []);
    assert.deepEqual(
      requested.filter((url) => new URL(url).origin !== gateway().url),
      [],
    );
  });

  it("fills in what is required, and sends of the rest what somebody filled in", async () => {
    const { page } = await openDocs();
    await authorise(page, adminToken);
    const list = await expand(page, "listWorkflows");
    for (const [size, query] of [
      ["", ""],
      ["5", "?page_size=5"],
    ] as const) {
      const sent = page.waitForRequest(/\/v1\/workflows/);
      await list.parameter("page_size").fill(size);
      await list.press("Execute");
      assert.equal((await sent).url(), `${gateway().url}/v1/workflows${query}`);
    }
    const read = await expand(page, "getWorkflow");
    assert.match(await read.parameter("id").inputValue(), /^[0-9a-f-]{36}$/);
    assert.equal(await read.parameter("Prefer").inputValue(), "");
  });

  it("shows an example of what an operation returns, and of errors where they differ", async () => {
    const { page } = await openDocs();
    const { block } = await expand(page, "submitWorkflow");
    const examplesOf = (status: number) => block.locator(`.response[data-code="${status}"] .model-example`);
    for (const status of [200, 201, 400, 409]) await examplesOf(status).waitFor();
    for (const status of [401, 404, 503]) assert.equal(await examplesOf(status).count(), 0, `${status}`);
    assert.match(await block.locator('.response[data-code="401"]').innerText(), /no valid bearer token/);
  });

  it("downloads an artifact by its key", async () => {
    const { page } = await openDocs();
    await authorise(page, adminToken);
    const submitted = await gateway().fetch("/v1/workflows", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(threeSteps),
    });
    const { id } = (await submitted.json()) as { id: string };
    const finished = await gateway().fetch(`/v1/workflows/${id}`, { headers: { Prefer: "wait=10" } });
    const { step_statuses } = (await finished.json()) as {
      step_statuses: { outputs: { uri: string; size_bytes: number }[] }[];
    };
    const [output] = step_statuses.flatMap(({ outputs }) => outputs);
    const artifact = await expand(page, "downloadArtifact");
    await artifact.parameter("id").fill(id);
    await artifact.parameter("key").fill(output!.uri.replace("r2://foldforge/", ""));
    await artifact.press("Execute");
    const download = page.waitForEvent("download");
    await artifact.response.getByRole("link", { name: "Download file" }).click();
    const chunks = await (await (await download).createReadStream()).toArray();
    assert.equal(Buffer.concat(chunks as Buffer[]).length, output!.size_bytes);
  });

  const waysOut: [how: string, comeAgain: (page: Page) => Promise<unknown>][] = [
    ["it is loaded again", (page) => page.reload()],
    [
      "somebody goes back to it",
      async (page) => {
        await page.goto(`${gateway().url}/v1/healthz`);
        // What Chromium has kept of the page is thrown away.
        const loaded = page.waitForEvent("load");
        await page.goBack({ waitUntil: "commit" });
        await loaded;
      },
    ],
  ];
  for (const [how, comeAgain] of waysOut)
    it(`keeps the token in the page's memory alone, and has forgotten it when ${how}`, async () => {
      const { page } = await openDocs();
      await authorise(page, "alice-key");
      assert.equal(await page.locator(".authorize.locked").count(), 1);
      const { cookies, origins } = await page.context().storageState({ indexedDB: true });
      assert.deepEqual({ cookies, origins }, { cookies: [], origins: [] });
      assert.equal(await page.evaluate("sessionStorage.length"), 0);

      await comeAgain(page);
      const list = await expand(page, "listWorkflows");
      assert.equal(await page.locator(".authorize.locked").count(), 0);
      const sent = page.waitForRequest(/\/v1\/workflows/);
      await list.press("Execute");
      assert.equal((await sent).headers()["authorization"], undefined);
      assert.equal(await statusIn(list.response), 401);
    });

  it("does not let the browser remember the token as something typed", async () => {
    const { page } = await openDocs();
    await page.getByRole("button", { name: "Authorize", exact: true }).first().click();
    assert.equal(await page.locator(".modal-ux input").getAttribute("autocomplete"), "off");
  });

  it("fits on a phone, unfolded and with a response, and so does the dialog", async () => {
    const { page } = await openDocs(phone);
    await authorise(page, "alice-key");
    const submit = await expand(page, "submitWorkflow");
    await submit.press("Execute");
    assert.equal(await statusIn(submit.response), 201);
    // Side by side with its status it would be hard to read.
    const { width: readable } = (await submit.body.boundingBox())!;
    assert.ok(readable > 300, `${readable} px`);
    await submit.block.getByRole("tab", { name: "Schema" }).first().click();
    const artifact = await expand(page, "downloadArtifact");
    await artifact.press("Execute");
    assert.equal(await statusIn(artifact.response), 404);
    const { page: whole, window } = await widthOf(page);
    assert.equal(window, 375);
    assert.ok(whole <= window, `${whole} px`);

    await page.getByRole("button", { name: "Authorize", exact: true }).first().click();
    const { x, y, width, height } = (await page.locator(".modal-ux").boundingBox())!;
    assert.ok(x >= 0 && y >= 0 && x + width <= 375 && y + height <= 812, `${x} ${y} ${width} ${height}`);
  });

  for (const [colorScheme, isDark] of [
    ["dark", true],
    ["light", false],
  ] as const)
    it(`is ${colorScheme} where the reader's other pages are`, async () => {
      const { page } = await openDocs({ colorScheme });
      const colour: string = await page.evaluate(
        "getComputedStyle(document.querySelector('.scheme-container')).backgroundColor",
      );
      assert.equal(colour, isDark ? "rgb(28, 32, 34)" : "rgb(255, 255, 255)");
    });

  it("runs no script but its own", async () => {
    const { page } = await openDocs();
    const blocked = page.waitForEvent("console", (message) =>
      message.text().includes("blocked by script-src-elem inline"),
    );
    await page.evaluate(`(() => {
      const script = document.createElement("script");
      script.textContent = "globalThis.hasRun = true";
      document.body.append(script);
    })()`);
    assert.equal(await page.evaluate("globalThis.hasRun"), undefined);
    await blocked;
  });

  it("works behind a proxy that puts a prefix before its path", async () => {
    const proxy = createServer((req, res) => {
      const { method = "", headers } = req;
      const url = gateway().url + String(req.url).replace(/^\/api/, "");
      const outgoing = forward(url, { method, headers }, (response) => {
        res.writeHead(response.statusCode!, response.headers);
        response.pipe(res);
      });
      req.pipe(outgoing);
    }).listen(0, "127.0.0.1");
    await once(proxy, "listening");
    const origin = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
    try {
      const { page, requested } = await open(`${origin}/api`);
      const health = await expand(page, "healthz");
      await health.press("Execute");
      assert.equal(await statusIn(health.response), 200);
      assert.deepEqual(
        requested.filter((url) => !url.startsWith(`${origin}/api/`)),
        [],
      );
    } finally {
      proxy.closeAllConnections();
      proxy.close();
    }
  });
});
