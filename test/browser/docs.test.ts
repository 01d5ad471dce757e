import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createServer, request as forward } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { promisify } from "node:util";
import type { BrowserContextOptions, Page } from "playwright-core";
import { startSandbox } from "../../src/sandbox/start-sandbox.ts";
import { contractFrom, loadContract } from "../../src/contract.ts";
import { docsSuite, openOperation, send } from "../support/docs-page.ts";
import { adminToken, startTestGateway, suite } from "../support/gateway.ts";
import { oneStep, threeSteps } from "../support/samples.ts";
import { sandboxSettings, settingsFor } from "../support/sandbox.ts";

const run = promisify(execFile);

interface Step {
  readonly outputs: readonly { readonly uri: string; readonly size_bytes: number }[];
}

describe("the page of GET /docs", () => {
  const open = docsSuite();
  const sandbox = suite(() => startSandbox(sandboxSettings));
  const gateway = suite(() => startTestGateway(settingsFor(sandbox())));
  const openDocs = (options?: BrowserContextOptions) => open(gateway().url, options);

  it("submits the example workflow with an API key, complains of nothing and asks nobody else", async () => {
    const { page, errors: complaints, requested } = await openDocs();
    const submit = await openOperation(page, "submitWorkflow");
    await submit.apiKey.fill("alice-key");
    const sent = page.waitForRequest((request) => request.method() === "POST");
    assert.equal(await send(submit), 201);
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

  it("sends to its own origin, whatever the servers of the contract are", async () => {
    const contract = loadContract();
    const elsewhere = { ...contract.document, servers: [{ url: "https://example.com" }] };
    const other = await startTestGateway(settingsFor(sandbox()), { contract: contractFrom(elsewhere) });
    try {
      const { page, requested } = await open(other.url);
      assert.equal(await send(await openOperation(page, "healthz")), 200);
      assert.equal(requested.at(-1), `${other.url}/v1/healthz`);
      const code = await page.locator("#quick-start [role=tabpanel] code").allInnerTexts();
      for (const text of code) assert.ok(text.includes(other.url), text);
    } finally {
      await other.close();
    }
  });

  it("sends what is filled in, encoded, and asks for what is required", async () => {
    const { page } = await openDocs();
    const list = await openOperation(page, "listWorkflows");
    await list.apiKey.fill(adminToken);
    for (const [size, label, query] of [
      ["", "", ""],
      ["5", "", "?page_size=5"],
      ["", "team=a&b\nx=ü", "?label=team%3Da%26b&label=x%3D%C3%BC"],
    ] as const) {
      await list.field("page_size").fill(size);
      await list.field("label").fill(label);
      const sent = page.waitForRequest(/\/v1\/workflows/);
      assert.equal(await send(list), 200);
      assert.equal((await sent).url(), `${gateway().url}/v1/workflows${query}`);
    }

    const artifact = await openOperation(page, "downloadArtifact");
    await artifact.press("Send");
    assert.equal(await artifact.block.locator(":invalid[name]").count(), 2);
    assert.equal(await artifact.status.innerText(), "");
    await artifact.field("id").fill("a/b");
    await artifact.field("key").fill("c d/e?f");
    const sent = page.waitForRequest(/artifacts/);
    await artifact.press("Send");
    assert.equal((await sent).url(), `${gateway().url}/v1/workflows/a%2Fb/artifacts/c%20d/e%3Ff`);
  });

  it("shows the request as a curl command that does the same, without the API key", async () => {
    const { page } = await openDocs();
    const submit = await openOperation(page, "submitWorkflow");
    await submit.apiKey.fill("alice-key");
    await submit.field("body").fill(JSON.stringify({ ...oneStep, name: "it's" }));
    await submit.field("Idempotency-Key").fill("a 'b'");
    await submit.block.getByText("As a curl command").click();
    const command = await submit.block.locator(".curl code").innerText();
    assert.ok(!command.includes("alice-key"));
    const { stdout } = await run("sh", ["-c", command], {
      env: { ...process.env, FOLDFORGE_TOKEN: "alice-key" },
    });
    assert.equal(JSON.parse(stdout).name, "it's");
    // The same request: the same key returns the same workflow.
    assert.equal(await send(submit), 201);
    assert.equal(JSON.parse(await submit.body.innerText()).id, JSON.parse(stdout).id);
  });

  it("takes the id of a workflow and the key of its first file to the other operations", async () => {
    const { page } = await openDocs();
    const submit = await openOperation(page, "submitWorkflow");
    await submit.apiKey.fill("alice-key");
    await send(submit);
    const { id } = JSON.parse(await submit.body.innerText());
    const read = await openOperation(page, "getWorkflow");
    assert.equal(await read.apiKey.inputValue(), "alice-key");
    assert.equal(await read.field("id").inputValue(), id);
    await read.field("Prefer").fill("wait=10");
    assert.equal(await send(read), 200);
    const { step_statuses } = JSON.parse(await read.body.innerText()) as { step_statuses: Step[] };
    const [output] = step_statuses.flatMap(({ outputs }) => outputs);

    const artifact = await openOperation(page, "downloadArtifact");
    const key = output!.uri.replace("r2://foldforge/", "");
    assert.equal(await artifact.field("key").inputValue(), key);
    await artifact.field("key").fill("");
    assert.equal(await send(await openOperation(page, "listArtifacts")), 200);
    assert.equal(await artifact.field("key").inputValue(), key);
    assert.equal(await send(artifact), 200);
    const download = page.waitForEvent("download");
    await artifact.block.getByRole("link", { name: /^Download design-0\.pdb$/ }).click();
    const chunks = await (await (await download).createReadStream()).toArray();
    assert.equal(Buffer.concat(chunks as Buffer[]).length, output!.size_bytes);
  });

  it("shows every digit of a number, and markup in a response as text", async () => {
    const { page, errors: complaints } = await openDocs();
    const name = "<img src=x onerror=alert(1)>";
    const submit = await openOperation(page, "submitWorkflow");
    await submit.apiKey.fill("alice-key");
    const steps = [{ id: "a", tool: "af2", params: { big: "" } }];
    const body = JSON.stringify({ name, steps }).replace('""', "12345678901234567890");
    await submit.field("body").fill(body);
    assert.equal(await send(submit), 201);
    const shown = await submit.body.innerText();
    assert.ok(shown.includes(`"name": "${name}"`));
    assert.match(shown, /"big": 12345678901234567000|"big": 12345678901234567168/);
    assert.equal(await page.locator("img").count(), 0);
    assert.deepEqual(complaints, []);
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
      await (await openOperation(page, "listWorkflows")).apiKey.fill("alice-key");
      const { cookies, origins } = await page.context().storageState({ indexedDB: true });
      assert.deepEqual({ cookies, origins }, { cookies: [], origins: [] });
      assert.equal(await page.evaluate("sessionStorage.length"), 0);

      await comeAgain(page);
      // The URL names the operation that was open.
      const form = page.locator("#listWorkflows form");
      assert.equal(await form.getByLabel("API key").inputValue(), "");
      const sent = page.waitForRequest(/\/v1\/workflows/);
      await form.getByRole("button", { name: "Send" }).click();
      assert.equal((await sent).headers()["authorization"], undefined);
      await form.getByRole("status").filter({ hasText: /^401/ }).waitFor();
    });

  it("does not let the browser remember the token as something typed, and does not show it", async () => {
    const { page } = await openDocs();
    const { apiKey } = await openOperation(page, "listWorkflows");
    assert.equal(await apiKey.getAttribute("autocomplete"), "off");
    const style = `getComputedStyle(document.querySelector("#listWorkflows .token"))`;
    assert.equal(await page.evaluate(`${style}.webkitTextSecurity`), "disc");
  });

  const attacks: [what: string, script: string, directive: string][] = [
    ["markup from text", `document.body.innerHTML = "<b>x</b>"`, "require-trusted-types-for"],
    ["code from text", `(0, eval)("hasRun = 1")`, "require-trusted-types-for"],
    [
      "a script from text",
      `document.body.append(Object.assign(document.createElement("script"), { textContent: "hasRun = 1" }))`,
      "require-trusted-types-for",
    ],
    ["a URL that is a script", `location.href = "javascript:hasRun = 1"`, "script-src-elem inline"],
    ["an image of another server", `new Image().src = "http://127.0.0.1:9/"`, "img-src"],
    ["a request to another server", `void fetch("http://127.0.0.1:9/").catch(() => {})`, "connect-src"],
  ];
  for (const [what, script, directive] of attacks)
    it(`blocks ${what}`, async () => {
      const { page } = await openDocs();
      const blocked = page.waitForEvent("console", (message) =>
        message.text().includes(`blocked by ${directive}`),
      );
      // Chromium lets the code of a debugger do more than that of the page.
      await page.evaluate(`void setTimeout(() => { ${script} })`);
      await blocked;
      assert.equal(await page.evaluate("globalThis.hasRun"), undefined);
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
      assert.equal(await send(await openOperation(page, "healthz")), 200);
      const redirected = await page.goto(`${origin}/api/`);
      assert.equal(redirected?.url(), `${origin}/api/docs`);
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
