import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { parseSettings } from "../../src/sandbox/settings.ts";
import { startSandbox } from "../../src/sandbox/start-sandbox.ts";
import { suite } from "../support/gateway.ts";
import { blocks, readPage } from "../support/pages.ts";
import { sha256 } from "../support/samples.ts";
import { sandboxSettings } from "../support/sandbox.ts";
import { startSellingGateway } from "../support/selling-gateway.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const run = promisify(execFile);
const [, variables = "", ...steps] = blocks(readPage("docs/quickstart.md"), "sh");
const [warnings = ""] = blocks(readPage("docs/quickstart.md"), "text");
const [pagination = ""] = blocks(readPage("docs/limits.md"), "sh");

describe("docs/quickstart.md", () => {
  const { apiKeys } = parseSettings({}).settings;
  const sandbox = suite(() => startSandbox({ ...sandboxSettings, apiKeys }));
  const gateway = suite(() => startSellingGateway(sandbox()));

  it("has commands that work in order, and so does the pagination of docs/limits.md", async () => {
    using folder = temporaryFolder();
    assert.ok(variables.includes("http://127.0.0.1:8080"));
    const start = variables.replace("http://127.0.0.1:8080", gateway().url);
    const script = [start, ...steps, pagination].join("\necho; echo =====\n");
    const { stdout } = await run("sh", ["-euc", script], { cwd: folder.path });
    const [
      ,
      plan,
      invalid,
      ,
      events,
      waited,
      ranking,
      best,
      download,
      list,
      retry,
      cancelled,
      costs,
      tooExpensive,
      checkout,
      topUp,
      quota,
      pages,
      ...more
    ] = stdout.split("=====\n");
    assert.deepEqual(more, []);

    assert.deepEqual(JSON.parse(plan!).order, ["a", "b"]);
    assert.ok(warnings.startsWith('"warnings":') && plan!.includes(warnings.trimEnd()));
    for (const text of ["did you mean rfdiffusion?", "did you mean depends_on?"])
      assert.ok(
        invalid!.split("\n").some((line) => line.startsWith('"path"') && line.includes(text)),
        invalid,
      );
    assert.match(events!, /^event: workflow_update$/m);
    assert.equal(JSON.parse(waited!).state, "SUCCEEDED");
    const { designs } = JSON.parse(ranking!);
    assert.equal(designs.length, 3);
    const bestFile = readFileSync(join(folder.path, "best.pdb"));
    assert.ok(designs[0].id.includes(sha256(bestFile)), "best.pdb is not the first design");
    assert.match(best!, /best\.pdb$/m);
    const { artifacts } = JSON.parse(readFileSync(join(folder.path, "artifacts.json"), "utf8"));
    const expected = artifacts.map(
      ({ name, sha256 }: { name: string; sha256: string }) => `${name} ${sha256}`,
    );
    const files = readdirSync(folder.path).filter((name) => /^design-.*\.pdb$/.test(name));
    const downloaded = files.sort().map((name) => `${name} ${sha256(readFileSync(join(folder.path, name)))}`);
    assert.deepEqual(downloaded, expected);
    assert.deepEqual(files, ["design-0.pdb", "design-1.pdb", "design-2.pdb"]);
    for (const file of files) assert.ok(download!.includes(file));
    assert.equal(JSON.parse(list!).workflows[0].name, "design-then-fold");
    assert.match(retry!, /"state":"FAILED".*"error":.*"state":"(QUEUED|RUNNING)"/s);
    assert.match(cancelled!, /"state":"(CANCELLED|SUCCEEDED)"/);
    assert.match(costs!, /"balance":.*"entries":/s);
    assert.equal(tooExpensive!.trim(), "201\n201\n402");
    const session = /\/pay\/(\w+)"/.exec(checkout!)![1]!;
    const [{ delta, reason, balance_after }] = JSON.parse(topUp!).entries;
    assert.deepEqual([delta, reason, balance_after], [500, `topup:stripe:${session}`, 500]);
    assert.equal(quota!.trim(), "201\n201\n201\n429");
    assert.match(pages!, /"next_page_token":""/);
  });
});
