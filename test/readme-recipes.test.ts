import assert from "node:assert/strict";
import { execFile, spawnSync } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseSettings } from "../src/sandbox/settings.ts";
import { startSandbox } from "../src/sandbox/start-sandbox.ts";
import { assertPasses, createScratch } from "./check/scratch-fixture.ts";
import type { Outcome } from "./check/scratch-fixture.ts";
import { startProxy } from "./demo/support.ts";
import { readEvents } from "./support/event-reader.ts";
import { startTestGateway, suite } from "./support/gateway.ts";
import { blocks, section } from "./support/readme.ts";
import { sha256 } from "./support/samples.ts";
import { sandboxSettings, settingsFor } from "./support/sandbox.ts";
import { temporaryFolder } from "./support/temporary-folder.ts";

const recipes = section("Recipes");
const [, , byHand = ""] = blocks("sh");
const [resume = "", more = ""] = blocks("sh", recipes);
const [typescript = ""] = blocks("ts", recipes);
const [eventSource = ""] = blocks("js", recipes);
const [withPackages = "", withoutPackages = ""] = blocks("python", recipes);

/** What runs the recipes in Python: PYTHON names one that has the packages. */
const python = process.env["PYTHON"] || "python3";

/** Where bytes of an answer end that break off inside of them; undefined for those that pass. */
type Break = (answer: Buffer) => number | undefined;

/** A network whose connections break, at one place after the other. */
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
    /** Places where nothing has broken yet. */
    left,
    /** The bytes that come through while `act` runs. */
    async bytesDuring(act: () => Promise<unknown>): Promise<number> {
      const before = bytesDown;
      await act();
      return bytesDown - before;
    },
  };
}

/** Behind a whole event, where HTTP ends a chunk. */
function behindEvent(answer: Buffer): number | undefined {
  const start = answer.indexOf("event: step_update");
  const end = start < 0 ? -1 : answer.indexOf("\n\n\r\n", start);
  return end < 0 ? undefined : end + 4;
}

function withinEvent(answer: Buffer): number | undefined {
  const start = answer.indexOf("event: step_update");
  return start < 0 ? undefined : start + 10;
}

/** No other answer is as long as a file. */
function withinFile(answer: Buffer): number | undefined {
  return answer.length > 10_000 ? Math.floor(answer.length / 2) : undefined;
}

/** A recipe that talks to `url`, and is the README's but for that. */
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

describe("README: the recipes", function () {
  const { apiKeys } = parseSettings({}).settings;
  const sandbox = suite(() => startSandbox({ ...sandboxSettings, apiKeys, stepSeconds: 1 }));
  // Silence is broken every few milliseconds, so that every client meets that.
  const streamIntervals = { checkMs: 10, heartbeatMs: 20 };
  const gateway = suite(() => startTestGateway(settingsFor(sandbox()), { streamIntervals: streamIntervals }));

  /** Asserts that what was printed is a snapshot of a workflow, and every later event once. */
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

  /** Asserts that there is one file, and that it is the one its name tells. */
  function assertWhole(folder: string): void {
    const files = readdirSync(folder).filter((name) => name.endsWith(".pdb"));
    assert.deepEqual(
      files.map((name) => `${sha256(readFileSync(join(folder, name)))}.pdb`),
      files,
    );
    assert.equal(files.length, 1);
  }

  it("finishes a download that broke off, with curl, and leaves a whole one alone", async () => {
    using first = temporaryFolder();
    const submit = await run(first.path, "sh", "-euc", at(gateway(), `${byHand}echo "id=$id key=$key"`));
    assertPasses(submit);
    const variables = submit.output.trimEnd().split("\n").at(-1);
    const [beginning = ""] = byHand.split("id=$(");

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
    assert.ok(rest > size - partial && rest < size, "it is resumed, not repeated");
    assertWhole(folder.path);
    assert.ok((await network.bytesDuring(complete)) < size - partial);
    assertWhole(folder.path);
  });

  it("checks, waits, ranks and tells what it has cost, with curl", async () => {
    using folder = temporaryFolder();
    const submit = await run(folder.path, "sh", "-euc", at(gateway(), `${byHand}echo "\n$id"`));
    const id = submit.output.trimEnd().split("\n").at(-1);
    const [beginning = ""] = byHand.split("id=$(");
    const { status, output } = await run(
      folder.path,
      "sh",
      "-euc",
      `${at(gateway(), beginning)}id=${id}\n${more.replaceAll("\n\ncurl", "\necho\ncurl")}`,
    );
    assert.equal(status, 0, output);
    const [plan, workflow, ranking, ledger] = output.split("\n").map((line) => JSON.parse(line));
    assert.deepEqual(plan.order, ["a", "b"]);
    assert.deepEqual([workflow.id, workflow.state], [id, "SUCCEEDED"]);
    assert.deepEqual(
      ranking.designs.map(({ rank }: { rank: number }) => rank),
      [1, 2, 3],
    );
    assert.equal(ledger.entries.length, 3);
    assert.ok(ledger.entries.every(({ reason }: { reason: string }) => reason.includes(String(id))));
  });

  it("names every package that the one in Python imports, and the workflow installs the same", () => {
    const installed = (text: string) =>
      /pip"? install ([\w -]+)/.exec(text)?.[1]?.trimEnd().split(" ").sort();
    const [, imported = ""] = /^import (httpx.*)$/m.exec(withPackages) ?? [];
    assert.deepEqual(
      installed(recipes)?.map((name) => name.replace("-", "_")),
      imported.split(", ").sort(),
    );
    assert.deepEqual(installed(readFileSync(".github/workflows/ci.yml", "utf8")), installed(recipes));
  });

  it("submits and waits with types, by openapi-fetch", async () => {
    using scratch = { ...createScratch(), [Symbol.dispose]: () => scratch.remove() };
    scratch.write("recipe.ts", at(gateway(), typescript));
    scratch.write("tsconfig.recipe.json", '{ "extends": "./tsconfig.json", "include": ["recipe.ts"] }');
    assertPasses(await scratch.run("tsc", "--project", "tsconfig.recipe.json"));
    const outcome = await scratch.run("node", "recipe.ts");
    assertPasses(outcome);
    assert.match(outcome.output, /^SUCCEEDED\nr2:\/\/foldforge\/artifacts\/([0-9a-f]{64})\.pdb \1\n$/);
  });

  it("follows through broken connections to the end, by EventSource", async () => {
    await using network = await startBreakingNetwork(gateway().url, behindEvent, withinEvent);
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
    ["its standard library", withoutPackages, "import urllib.request"],
  ] as const)
    it(`follows through broken connections and downloads, by Python with ${what}`, async function () {
      if (spawnSync(python, ["-c", imports]).status !== 0) {
        console.log(`      skipped: ${python} cannot ${imports}`);
        return this.skip();
      }
      await using network = await startBreakingNetwork(gateway().url, behindEvent, withinEvent);
      using folder = temporaryFolder();
      writeFileSync(join(folder.path, "recipe.py"), at(network, script));
      const outcome = await run(folder.path, python, "recipe.py");
      assertPasses(outcome);
      await assertFollowed(outcome.output);
      assert.match(outcome.output, /\nSUCCEEDED\n$/);
      assertWhole(folder.path);
      assert.deepEqual(network.left, []);
    });
});
