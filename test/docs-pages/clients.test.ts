import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import type { ServerResponse } from "node:http";
import { join } from "node:path";
import { parseSettings } from "../../src/sandbox/settings.ts";
import { startSandbox } from "../../src/sandbox/start-sandbox.ts";
import { assertPasses, createScratch } from "../check/scratch-fixture.ts";
import { sendJson, startHttp } from "../demo/support.ts";
import { startTestGateway, suite } from "../support/gateway.ts";
import { blocks, readPage } from "../support/pages.ts";
import { jsonPost } from "../support/samples.ts";
import { sandboxSettings, settingsFor } from "../support/sandbox.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { startBreakingNetwork } from "./breaking-network.ts";
import { at, python, run } from "./client-programs.ts";

const page = readPage("docs/clients.md");
const [, , submitAndDownload = ""] = blocks(readPage("README.md"), "sh");
const [, , cancelLabel = ""] = blocks(page, "python");
const [wait = "", resume = ""] = blocks(page, "sh");

/** Only a file is that long. */
function withinFile(chunk: Buffer): number | undefined {
  return chunk.length > 10_000 ? Math.floor(chunk.length / 2) : undefined;
}

describe("docs/clients.md", () => {
  const { apiKeys } = parseSettings({}).settings;
  const sandbox = suite(() => startSandbox({ ...sandboxSettings, apiKeys }));
  const gateway = suite(() => startTestGateway(settingsFor(sandbox())));
  const endlessSandbox = suite(() => startSandbox({ ...sandboxSettings, apiKeys, stepSeconds: 600 }));
  const endlessGateway = suite(() => startTestGateway(settingsFor(endlessSandbox())));

  /** The variables with which the commands for curl work, of a workflow that is finished. */
  async function finishedWithCurl(): Promise<string> {
    using folder = temporaryFolder();
    const submit = await run(
      folder.path,
      "sh",
      "-euc",
      at(gateway().url, `${submitAndDownload}echo "id=$id"`),
    );
    assertPasses(submit);
    const [beginning = ""] = submitAndDownload.split("workflow=$(");
    return `${beginning}${submit.output.trimEnd().split("\n").at(-1)}\n`;
  }

  it("finishes a broken download with curl, and leaves a complete one alone", async () => {
    using folder = temporaryFolder();
    const variables = await finishedWithCurl();
    await using network = await startBreakingNetwork(gateway().url, withinFile);
    const download = () => run(folder.path, "sh", "-euc", at(network.url, variables + resume));
    const complete = async () => assertPasses(await download());
    const sizeOf = () => readFileSync(join(folder.path, "fold-0.pdb")).length;

    const broken = await download();
    assert.equal(broken.status, 18, broken.output);
    const partial = sizeOf();
    const rest = await network.bytesDuring(complete);
    const size = sizeOf();
    assert.ok(partial > 0 && partial < size);
    assert.ok(rest > size - partial && rest < size, "is not resumed");
    assert.ok((await network.bytesDuring(complete)) < size - partial);
  });

  it("waits with curl over broken connections, errors that pass and states it does not know", async () => {
    const bodies = ["running", "SUCCEEDED"].map(
      (state) => `{"id":"w","name":"n","state":"${state}","step_statuses":[{"state":"SUCCEEDED"}]}`,
    );
    const responses: ((res: ServerResponse) => void)[] = [
      (res) => sendJson(res, 503, {}, { "Retry-After": "1" }),
      (res) => res.destroy(),
      (res) => res.writeHead(200, { "Content-Length": 1000 }).write(bodies[1], () => res.destroy()),
      ...bodies.map((body) => (res: ServerResponse) => void res.end(body)),
    ];
    await using service = await startHttp((_req, res) => responses.shift()?.(res));
    using folder = temporaryFolder();
    const variables = `url=${service.url} id=w token=any\n`;
    assertPasses(await run(folder.path, "sh", "-euc", variables + wait));
    assert.equal(readFileSync(join(folder.path, "workflow.json"), "utf8"), bodies[1]);
    assert.deepEqual(responses, []);
  });

  it("stops to wait with curl at an error that stays, and leaves it", async () => {
    const body = { code: "NOT_FOUND", message: "no such workflow", retryable: false };
    await using service = await startHttp((_req, res) => sendJson(res, 404, body));
    using folder = temporaryFolder();
    const { output } = await run(
      folder.path,
      "sh",
      "-euc",
      `url=${service.url} id=w token=any\n${wait}cat workflow.json`,
    );
    assert.match(output, /"code":"NOT_FOUND"/);
  });

  it("names every package that the Python program imports, as the CI workflow installs them", () => {
    const installed = (text: string) =>
      /pip"? install ([\w -]+)/.exec(text)?.[1]?.trimEnd().split(" ").sort();
    const [, imported = ""] = /^import (httpx.*)$/m.exec(page) ?? [];
    assert.deepEqual(
      installed(page)?.map((name) => name.replace("-", "_")),
      imported.split(", ").sort(),
    );
    assert.deepEqual(installed(readFileSync(".github/workflows/ci.yml", "utf8")), installed(page));
  });

  it("has a TypeScript program that compiles", async () => {
    using scratch = { ...createScratch(), [Symbol.dispose]: () => scratch.remove() };
    scratch.write("client.ts", blocks(page, "ts")[0]!);
    scratch.write("tsconfig.recipe.json", '{ "extends": "./tsconfig.json", "include": ["client.ts"] }');
    assertPasses(await scratch.run("tsc", "--project", "tsconfig.recipe.json"));
  });

  it("cancels everything with a label", async function () {
    if (spawnSync(python, ["--version"]).status !== 0) {
      console.log(`      skipped: there is no ${python}`);
      return this.skip();
    }
    const submit = async (team: string) => {
      const spec = { name: team, labels: { team }, steps: [{ id: "design", tool: "rfdiffusion" }] };
      const response = await endlessGateway().fetch("/v1/workflows", {
        ...jsonPost(spec),
        token: "ff-demo-key",
      });
      return ((await response.json()) as { id: string }).id;
    };
    const stateOf = async (id: string) =>
      ((await (await endlessGateway().fetch(`/v1/workflows/${id}`)).json()) as { state: string }).state;
    const ids = [];
    for (const team of ["one", "one", "two", "one", "one", "one"]) ids.push(await submit(team));
    const [first = "", second = "", other = "", ...rest] = ids;
    await endlessGateway().fetch(`/v1/workflows/${first}`, { method: "DELETE" });

    using folder = temporaryFolder();
    // Several pages, of workflows that no other test has submitted.
    const script = at(endlessGateway().url, cancelLabel)
      .replace("team=alpha", "team=one")
      .replace('"page_size": 100', '"page_size": 2');
    writeFileSync(join(folder.path, "client.py"), script);
    const outcome = await run(folder.path, python, "client.py");
    assertPasses(outcome);
    const printed = outcome.output.trim().split("\n");
    assert.deepEqual(printed.sort(), [second, ...rest].map((id) => `${id} CANCELLED`).sort());
    for (const id of [first, second, ...rest]) assert.equal(await stateOf(id), "CANCELLED");
    assert.notEqual(await stateOf(other), "CANCELLED");
  });
});
