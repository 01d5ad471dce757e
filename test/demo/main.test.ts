import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { basename, dirname, join, relative } from "node:path";
import { suite } from "../support/gateway.ts";
import {
  demoKey,
  filesIn,
  startDemo,
  startDemoGateway,
  startHttp,
  startProxy,
  withFolder,
} from "./support.ts";

/** What the demo said of a step, in order. */
function linesOf(step: string, stdout: string): string[] {
  const lines = stdout.split("\n").filter((line) => line.startsWith(`${step} `));
  return lines.map((line) => line.replace(/^\S+ +\S+ +/, ""));
}

const allStages = ["0 %  RUNNING", "25 %  RUNNING", "50 %  RUNNING", "75 %  RUNNING", "100 %  SUCCEEDED"];

describe("main", () => {
  const gateway = suite(startDemoGateway);
  const slowGateway = suite(() => startDemoGateway(0.2));
  const endlessGateway = suite(() => startDemoGateway(600));

  it("leaves every file of the workflow on disk, in a folder per step, and each is what its name says", async () => {
    await withFolder(async (folder) => {
      const { code, stdout, stderr } = await startDemo(gateway().url, folder).ended;
      assert.deepEqual([code, stderr], [0, ""]);
      const id = /^submitted design-then-fold as (\S+)$/m.exec(stdout)![1]!;
      const files = await filesIn(folder);
      assert.match(stdout, new RegExp(`\nverified ${files.length} files in ${join(folder, id)}\n$`));
      const perStep = Map.groupBy(files, (file) => dirname(relative(folder, file)));
      assert.deepEqual([...perStep].map(([step, its]) => [step, its.length]).sort(), [
        [`${id}/design`, 3],
        [`${id}/fold`, 15],
        [`${id}/seqs`, 3],
      ]);
      for (const file of files) {
        const hash = createHash("sha256").update(await readFile(file));
        assert.equal(basename(file).replace(/\.\w+$/, ""), hash.digest("hex"));
      }
    });
  });

  it("shows every event once when the connection is cut in the middle of one", async () => {
    let hasCut = false;
    await using proxy = await startProxy(slowGateway().url, (chunk, cut) => {
      const middle = chunk.indexOf('"step_id":"seqs","state":"RUNNING","fraction":0.25');
      if (hasCut || middle < 0) return chunk;
      hasCut = true;
      cut();
      return chunk.subarray(0, middle);
    });
    await withFolder(async (folder) => {
      const { code, stdout, stderr } = await startDemo(proxy.url, folder).ended;
      assert.deepEqual([code, stderr, hasCut], [0, "", true]);
      assert.match(stdout, /^the connection broke; reconnecting$/m);
      // It may have started before it was followed.
      const design = linesOf("design", stdout);
      assert.deepEqual(design, ["0 %  QUEUED", ...allStages].slice(-design.length));
      for (const step of ["seqs", "fold"])
        assert.deepEqual(linesOf(step, stdout), ["0 %  QUEUED", ...allStages]);
      assert.match(stdout, /\nverified 21 files in /);
    });
  });

  it("rejects a file that was changed in transit, and leaves none", async () => {
    await using proxy = await startProxy(gateway().url, (chunk) =>
      Buffer.from(chunk.toString("latin1").replace("GLY", "ALA"), "latin1"),
    );
    await withFolder(async (folder) => {
      const { code, stderr } = await startDemo(proxy.url, folder).ended;
      assert.equal(code, 1);
      assert.match(
        stderr,
        /^demo: r2:\/\/foldforge\/artifacts\/(\w+)\.pdb has SHA-256 (?!\1)\w{64} instead of \1\n$/,
      );
      assert.deepEqual(await filesIn(folder), []);
    });
  });

  it("prints one line when no gateway is running", async () => {
    await using service = await startHttp(() => undefined);
    await service.close();
    const { code, stdout, stderr } = await startDemo(service.url).ended;
    assert.deepEqual([code, stdout], [1, ""]);
    assert.equal(
      stderr,
      `demo: no gateway responds at ${service.url}: run \`make dev\` in another terminal, or set FOLDFORGE_URL\n`,
    );
  });

  it("prints one line when the workflow was cancelled", async () => {
    const { url } = endlessGateway();
    const demo = startDemo(url);
    const [line] = (await once(demo.stdout, "data")) as [Buffer];
    const id = /as (\S+)\n/.exec(String(line))![1]!;
    const headers = { Authorization: `Bearer ${demoKey}` };
    await fetch(`${url}/v1/workflows/${id}`, { method: "DELETE", headers });
    const { code, stderr } = await demo.ended;
    assert.deepEqual([code, stderr], [1, `demo: workflow ${id} is CANCELLED\n`]);
  });

  it("prints one line with the failed step and the reason", async () => {
    const error = { code: "INTERNAL", message: "out of\n\u001b[31mmemory", retryable: false };
    const failed = { step_id: "a", state: "FAILED", fraction: 0, outputs: [], sequences: [], error };
    const workflow = { id: "w", name: "n", state: "FAILED", steps: [{ id: "a", tool: "af2" }] };
    await using service = await startHttp((req, res) => {
      const isStream = req.url === "/v1/workflows/w/events";
      res.writeHead(isStream ? 204 : 200);
      res.end(isStream ? undefined : JSON.stringify({ ...workflow, step_statuses: [failed] }));
    });
    const { code, stderr } = await startDemo(service.url).ended;
    assert.deepEqual([code, stderr], [1, "demo: workflow w is FAILED; step a: INTERNAL out of [31mmemory\n"]);
  });

  it("prints one line when the gateway rejects the workflow", async () => {
    await using service = await startHttp((_req, res) => {
      res.writeHead(429, { "Retry-After": "60" });
      res.end('{"code":"RESOURCE_EXHAUSTED","message":"quota exhausted","retryable":true}');
    });
    const { code, stderr } = await startDemo(service.url).ended;
    assert.deepEqual(
      [code, stderr],
      [1, "demo: the gateway responds with 429 RESOURCE_EXHAUSTED quota exhausted\n"],
    );
  });
});
