import assert from "node:assert/strict";
import { execFile, spawnSync } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseSettings } from "../../src/sandbox/settings.ts";
import { startSandbox } from "../../src/sandbox/start-sandbox.ts";
import { assertPasses, createScratch } from "../check/scratch-fixture.ts";
import type { Outcome } from "../check/scratch-fixture.ts";
import { startProxy } from "../demo/support.ts";
import { readEvents } from "../support/event-reader.ts";
import { startTestGateway, suite } from "../support/gateway.ts";
import { blocks, readPage } from "../support/pages.ts";
import { jsonPost, sha256 } from "../support/samples.ts";
import { sandboxSettings, settingsFor } from "../support/sandbox.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const page = readPage("docs/clients.md");
const [, , submitAndDownload = ""] = blocks(readPage("README.md"), "sh");
const [resume = ""] = blocks(page, "sh");
const [typescript = ""] = blocks(page, "ts");
const [eventSource = ""] = blocks(page, "js");
const [withPackages = "", withoutPackages = "", cancelLabel = ""] = blocks(page, "python");

/** PYTHON names an interpreter that has the packages. */
const python = process.env["PYTHON"] || "python3";

/** Returns where a chunk of a response is cut; undefined for one that passes whole. */
type Break = (chunk: Buffer) => number | undefined;

/** Starts a proxy whose connections break at one place after the other. */
async function startBreakingNetwork(url: string, ...places: readonly Break[]) {
  const left = [...places];
  let bytesDown = 0;
  const proxy = await startProxy(url, (chunk, cut) => {
    const end = left[0]?.(chunk);
    if (end !== undefined) {
      left.shift();
      cut();
    }
    const passed = chunk.subarray(0, end);
    bytesDown += passed.length;
    return passed;
  });
  return {
    ...proxy,
    /** The places where no connection has broken yet. */
    left,
    /** Counts the bytes of responses that pass while `act` runs. */
    async bytesDuring(act: () => Promise<unknown>): Promise<number> {
      const before = bytesDown;
      await act();
      return bytesDown - before;
    },
  };
}

/** After a whole event, where HTTP ends a chunk. */
function afterEvent(chunk: Buffer): number | undefined {
  const start = chunk.indexOf("event: step_update");
  const end = start < 0 ? -1 : chunk.indexOf("\n\n\r\n", start);
  return end < 0 ? undefined : end + 4;
}

function withinEvent(chunk: Buffer): number | undefined {
  const start = chunk.indexOf("event: step_update");
  return start < 0 ? undefined : start + 10;
}

/** Before the response to a submission. */
function beforeSubmitted(chunk: Buffer): number | undefined {
  return chunk.toString("latin1").startsWith("HTTP/1.1 201") ? 0 : undefined;
}

/** Only a file is that long. */
function withinFile(chunk: Buffer): number | undefined {
  return chunk.length > 10_000 ? Math.floor(chunk.length / 2) : undefined;
}

/** A recipe that calls `url` instead of `make dev`. */
function at({ url }: { readonly url: string }, recipe: string): string {
  assert.ok(recipe.includes("http://127.0.0.1:8080"));
  return recipe.replaceAll("http://127.0.0.1:8080", url);
}

/** Runs a command to its end. */
function run(cwd: string, command: string, ...args: readonly string[]): Promise<Outcome> {
  return new Promise((resolve) => {
    execFile(command, args, { cwd }, (error, stdout, stderr) => {
      const code = error === null ? 0 : error.code;
      resolve({ status: typeof code === "number" ? code : -1, output: stdout + stderr });
    });
  });
}

describe("docs/clients.md", function () {
  const { apiKeys } = parseSettings({}).settings;
  // A step outlasts the wait before a submission is repeated, so that there is something to follow.
  const sandbox = suite(() => startSandbox({ ...sandboxSettings, apiKeys, stepSeconds: 3 }));
  // Heartbeats every few milliseconds, so that every client receives some.
  const streamIntervals = { checkMs: 10, heartbeatMs: 20 };
  const gateway = suite(() => startTestGateway(settingsFor(sandbox()), { streamIntervals }));

  /** Asserts that `printed` is a snapshot of a workflow and every later event once. */
  async function assertFollowed(printed: string): Promise<void> {
    const [snapshot = "", ...events] = printed.split("\n").filter((line) => line.startsWith("{"));
    const { workflow_id: id, workflow_update } = JSON.parse(snapshot);
    assert.ok(workflow_update);
    const headers = { "Last-Event-ID": "1" };
    const reader = readEvents(await gateway().fetch(`/v1/workflows/${id}/events`, { headers }));
    assert.equal(await reader.ended, "clean");
    const all = reader.events.map(({ data }) => data);
    assert.ok(events.length > 2, printed);
    assert.deepEqual(events, all.slice(-events.length));
    assert.equal(JSON.parse(events.at(-1)!).workflow_update.state, "SUCCEEDED");
  }

  /** Asserts that the folder has one PDB file, whose SHA-256 is its name. */
  function assertWhole(folder: string): void {
    const files = readdirSync(folder).filter((name) => name.endsWith(".pdb"));
    assert.deepEqual(
      files.map((name) => `${sha256(readFileSync(join(folder, name)))}.pdb`),
      files,
    );
    assert.equal(files.length, 1);
  }

  it("finishes a broken download with curl, and leaves a complete one alone", async () => {
    using first = temporaryFolder();
    const submit = await run(
      first.path,
      "sh",
      "-euc",
      at(gateway(), `${submitAndDownload}echo "id=$id key=$key"`),
    );
    assertPasses(submit);
    const variables = submit.output.trimEnd().split("\n").at(-1);
    const [beginning = ""] = submitAndDownload.split("id=$(");

    using folder = temporaryFolder();
    await using network = await startBreakingNetwork(gateway().url, withinFile);
    const script = `${at(network, beginning)}${variables}\n${resume}`;
    const download = () => run(folder.path, "sh", "-euc", script);
    const complete = async () => assertPasses(await download());

    const broken = await download();
    assert.equal(broken.status, 18, broken.output);
    const [name = ""] = readdirSync(folder.path);
    const sizeIn = (path: string) => readFileSync(join(path, name)).length;
    const [size, partial] = [sizeIn(first.path), sizeIn(folder.path)];
    assert.ok(partial > 0 && partial < size);

    const rest = await network.bytesDuring(complete);
    assert.ok(rest > size - partial && rest < size, "is not resumed");
    assertWhole(folder.path);
    assert.ok((await network.bytesDuring(complete)) < size - partial);
    assertWhole(folder.path);
  });

  it("names every package that the Python program imports, as the CI workflow installs them", () => {
    const installed = (text: string) =>
      /pip"? install ([\w -]+)/.exec(text)?.[1]?.trimEnd().split(" ").sort();
    const [, imported = ""] = /^import (httpx.*)$/m.exec(withPackages) ?? [];
    assert.deepEqual(
      installed(page)?.map((name) => name.replace("-", "_")),
      imported.split(", ").sort(),
    );
    assert.deepEqual(installed(readFileSync(".github/workflows/ci.yml", "utf8")), installed(page));
  });

  it("submits and waits over broken connections with openapi-fetch", async () => {
    await using network = await startBreakingNetwork(gateway().url, beforeSubmitted);
    using scratch = { ...createScratch(), [Symbol.dispose]: () => scratch.remove() };
    scratch.write("recipe.ts", at(network, typescript));
    scratch.write("tsconfig.recipe.json", '{ "extends": "./tsconfig.json", "include": ["recipe.ts"] }');
    assertPasses(await scratch.run("tsc", "--project", "tsconfig.recipe.json"));
    const outcome = await scratch.run("node", "recipe.ts");
    assertPasses(outcome);
    assert.match(outcome.output, /^SUCCEEDED\nr2:\/\/foldforge\/artifacts\/([0-9a-f]{64})\.pdb \1\n$/);
    assert.deepEqual(network.left, []);
  });

  it("submits and follows over broken connections with EventSource", async () => {
    await using network = await startBreakingNetwork(gateway().url, beforeSubmitted, afterEvent, withinEvent);
    using scratch = { ...createScratch(), [Symbol.dispose]: () => scratch.remove() };
    scratch.write("recipe.js", at(network, eventSource));
    const outcome = await scratch.run("node", "recipe.js");
    assertPasses(outcome);
    await assertFollowed(outcome.output);
    assert.match(outcome.output, /\nfinished\n$/);
    assert.deepEqual(network.left, []);
  });

  for (const [what, script, imports] of [
    ["requests and httpx", withPackages, "import httpx, httpx_sse, requests"],
    ["the standard library", withoutPackages, "import urllib.request"],
  ] as const)
    it(`submits, follows and downloads over broken connections with Python and ${what}`, async function () {
      if (spawnSync(python, ["-c", imports]).status !== 0) {
        console.log(`      skipped: ${python} cannot ${imports}`);
        return this.skip();
      }
      await using network = await startBreakingNetwork(
        gateway().url,
        beforeSubmitted,
        afterEvent,
        withinEvent,
      );
      using folder = temporaryFolder();
      writeFileSync(join(folder.path, "recipe.py"), at(network, script));
      const outcome = await run(folder.path, python, "recipe.py");
      assertPasses(outcome);
      await assertFollowed(outcome.output);
      assert.match(outcome.output, /\nSUCCEEDED\n$/);
      const [, id = ""] = /"workflow_id":"([^"]*)"/.exec(outcome.output) ?? [];
      const listed = await gateway().fetch(`/v1/workflows/${id}/artifacts`);
      const { artifacts } = (await listed.json()) as { artifacts: { name: string; sha256: string }[] };
      const files = readdirSync(folder.path).filter((name) => name.endsWith(".pdb"));
      assert.deepEqual(
        files.map((name) => ({ name, sha256: sha256(readFileSync(join(folder.path, name))) })),
        artifacts.map(({ name, sha256 }) => ({ name, sha256 })),
      );
      assert.deepEqual(network.left, []);
    });

  it("cancels everything with a label", async function () {
    if (spawnSync(python, ["--version"]).status !== 0) {
      console.log(`      skipped: there is no ${python}`);
      return this.skip();
    }
    const submit = async (team: string) => {
      const spec = { name: team, labels: { team }, steps: [{ id: "design", tool: "rfdiffusion" }] };
      const response = await gateway().fetch("/v1/workflows", { ...jsonPost(spec), token: "ff-demo-key" });
      return ((await response.json()) as { id: string }).id;
    };
    const stateOf = async (id: string) =>
      ((await (await gateway().fetch(`/v1/workflows/${id}`)).json()) as { state: string }).state;
    const ids = [];
    for (const team of ["one", "one", "two", "one", "one", "one"]) ids.push(await submit(team));
    const [first = "", second = "", other = "", ...rest] = ids;
    await gateway().fetch(`/v1/workflows/${first}`, { method: "DELETE" });

    using folder = temporaryFolder();
    // Several pages, of workflows that no other test has submitted.
    const script = at(gateway(), cancelLabel)
      .replace("team=alpha", "team=one")
      .replace('"page_size": 100', '"page_size": 2');
    writeFileSync(join(folder.path, "recipe.py"), script);
    const outcome = await run(folder.path, python, "recipe.py");
    assertPasses(outcome);
    const printed = outcome.output.trim().split("\n");
    assert.deepEqual(printed.sort(), [second, ...rest].map((id) => `${id} CANCELLED`).sort());
    for (const id of [first, second, ...rest]) assert.equal(await stateOf(id), "CANCELLED");
    assert.notEqual(await stateOf(other), "CANCELLED");
  });
});
