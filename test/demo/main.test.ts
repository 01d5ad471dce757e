import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { chmod, readdir, readFile, writeFile } from "node:fs/promises";
import type { ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { startHttpProxy } from "../support/http-proxy.ts";
import type { Schema } from "../../src/demo/client.ts";
import { suite } from "../support/gateway.ts";
import {
  demoFile,
  demoKey,
  filesIn,
  sendJson,
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
  const slowGateway = suite(() => startDemoGateway(1));
  const endlessGateway = suite(() => startDemoGateway(600));

  it("leaves every file on disk under its name, and shows the best ones and the cost", async () => {
    await withFolder(async (folder) => {
      const { code, stdout, stderr } = await startDemo(gateway().url, folder).ended;
      assert.deepEqual([code, stderr], [0, ""]);
      const id = /^submitted design-then-fold as (\S+)$/m.exec(stdout)![1]!;
      const names = await readdir(join(folder, id));
      const perStep = Map.groupBy(names, (name) => name.replace(/-\d+\./, "."));
      assert.deepEqual([...perStep].map(([step, its]) => [step, its.length]).sort(), [
        ["design.pdb", 3],
        ["fold.pdb", 15],
        ["seqs.fasta", 3],
        ["workflow.json", 1],
      ]);

      const read = (name: string) => readFile(join(folder, id, name));
      const workflow = JSON.parse(String(await read("workflow.json"))) as Schema["Workflow"];
      assert.equal(workflow.state, "SUCCEEDED");
      const artifacts = workflow.step_statuses.flatMap(({ outputs }) => outputs);
      for (const { name, sha256 } of artifacts) {
        const hash = createHash("sha256").update(await read(name));
        assert.equal(hash.digest("hex"), sha256);
      }

      const best = artifacts
        .filter(({ metrics }) => "plddt" in metrics)
        .sort((a, b) => b.metrics["plddt"]! - a.metrics["plddt"]!)
        .slice(0, 3);
      const rows = [...stdout.matchAll(/^ {2}(\d)\. (\S+) +(\S+)$/gm)].map(([, ...cells]) => cells);
      assert.deepEqual(
        rows,
        best.map(({ name, metrics }, i) => [String(i + 1), name, metrics["plddt"]!.toFixed(1)]),
      );
      assert.ok(stdout.includes(`\nverified ${artifacts.length} files in ${join(folder, id)}\n`));
      assert.match(stdout, /\ncost: 30 credits; 99,\d{3} are left\n$/);
    });
  });

  for (const [what, reason, startFront] of [
    ["breaks", "the connection broke", (url: string) => startProxy(url, (chunk) => chunk)],
    ["ends cleanly", "the stream ended before the workflow did", startHttpProxy],
  ] as const)
    it(`shows every event once when the connection ${what} in the middle of one`, async () => {
      let hasCut = false;
      await using proxy = await startProxy(slowGateway().url, (chunk, cut) => {
        const middle = chunk.indexOf('"step_id":"seqs","state":"RUNNING","fraction":0.25');
        if (hasCut || middle < 0) return chunk;
        hasCut = true;
        cut();
        return chunk.subarray(0, middle);
      });
      await using front = await startFront(proxy.url);
      await withFolder(async (folder) => {
        const { code, stdout, stderr } = await startDemo(front.url, folder).ended;
        assert.deepEqual([code, stderr, hasCut], [0, "", true]);
        assert.match(stdout, new RegExp(`^${reason}; reconnecting$`, "m"));
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
      assert.match(stderr, /^demo: design-0\.pdb has SHA-256 (\w{64}) instead of (?!\1)\w{64}\n$/);
      assert.deepEqual(await filesIn(folder), []);
    });
  });

  it("takes an address without a scheme", async () => {
    await withFolder(async (folder) => {
      const { code, stderr } = await startDemo(gateway().url.replace("http://", ""), folder).ended;
      assert.deepEqual([code, stderr], [0, ""]);
    });
  });

  it("ends when the reader of its output has gone", async () => {
    const env = { ...process.env, FOLDFORGE_URL: slowGateway().url, FOLDFORGE_API_KEY: demoKey };
    const pipe = spawn("sh", ["-c", '"$0" "$1" | head -n 1', process.execPath, demoFile], { env });
    const [stdout, stderr] = await Promise.all([text(pipe.stdout), text(pipe.stderr)]);
    assert.match(stdout, /^submitted .*\n$/);
    assert.equal(stderr, "");
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
      if (req.url === "/v1/workflows/w/events") res.writeHead(204).end();
      else sendJson(res, 200, { ...workflow, step_statuses: [failed] });
    });
    const { code, stderr } = await startDemo(service.url).ended;
    assert.deepEqual([code, stderr], [1, "demo: workflow w is FAILED; step a: INTERNAL out of [31mmemory\n"]);
  });

  it("prints each violation when the gateway rejects the workflow", async () => {
    await using service = await startHttp((_req, res) => {
      const details = [
        { path: "/body/a", message: "is\nwrong" },
        { path: "/body/b", message: "is missing" },
      ];
      sendJson(res, 400, { code: "INVALID_ARGUMENT", message: "wrong", retryable: false, details });
    });
    const { code, stdout, stderr } = await startDemo(service.url).ended;
    assert.deepEqual([code, stdout], [1, ""]);
    assert.equal(
      stderr,
      "demo: the gateway responds with 400 INVALID_ARGUMENT: wrong\n  /body/a is wrong\n  /body/b is missing\n",
    );
  });

  describe("one line and exit code 1 for a start that fails:", () => {
    /** Asserts that the demo prints this line alone. */
    async function assertPrints(line: string, ...demo: Parameters<typeof startDemo>) {
      assert.deepEqual(await startDemo(...demo).ended, { code: 1, stdout: "", stderr: `demo: ${line}\n` });
    }

    for (const address of ["ftp://127.0.0.1:8080", "http://", "127.0.0.1:80800"])
      it(`${address} as the URL`, () =>
        assertPrints(
          `${address} is not a URL such as http://127.0.0.1:8080: set FOLDFORGE_URL to one`,
          address,
        ));

    it("no gateway is running", async () => {
      await using service = await startHttp(() => undefined);
      await service.close();
      await assertPrints(
        `no gateway responds at ${service.url}: run \`make dev\` in another terminal, or set FOLDFORGE_URL`,
        service.url,
      );
    });

    for (const [what, respond, response] of [
      ["a page", (res) => res.writeHead(200, { "Content-Type": "text/html" }).end("<html>"), "200 text/html"],
      ["a page for 404", (res) => res.writeHead(404, { "Content-Type": "text/html" }).end(), "404 text/html"],
      ["nothing", (res) => res.writeHead(200).end(), "200"],
      ["an error of another API", (res) => sendJson(res, 404, { error: "none" }), "404 application/json"],
      ["no HTTP", (res) => res.socket?.end("220 mail\r\n"), "something other than HTTP"],
    ] as readonly [string, (res: ServerResponse) => void, string][])
      it(`a server that responds with ${what}`, async () => {
        await using service = await startHttp((_req, res) => respond(res));
        const { url } = service;
        await assertPrints(
          `${url} is not a FoldForge gateway, it responds with ${response}: set FOLDFORGE_URL`,
          url,
        );
      });

    it("a server that responds with other JSON", async () => {
      await using service = await startHttp((_req, res) => sendJson(res, 200, {}));
      await assertPrints(
        "no FoldForge gateway responds: the workflow has no id; set FOLDFORGE_URL",
        service.url,
      );
    });

    it("a proxy that cannot reach the gateway", async () => {
      await using service = await startHttp((_req, res) => res.writeHead(502).end("<html>"));
      await assertPrints("the gateway responds with 502", service.url);
    });

    it("a wrong API key", () =>
      assertPrints(
        "the gateway does not know the API key (401 UNAUTHENTICATED): set FOLDFORGE_API_KEY to yours",
        gateway().url,
        tmpdir(),
        "wrong",
      ));

    it("an API key that no header can have", () =>
      assertPrints(
        "an API key has visible ASCII characters only: set FOLDFORGE_API_KEY to yours",
        gateway().url,
        tmpdir(),
        "schlüssel",
      ));

    it("an exhausted quota", async () => {
      await using service = await startHttp((_req, res) =>
        sendJson(
          res,
          429,
          { code: "RESOURCE_EXHAUSTED", message: "quota exhausted", retryable: true },
          { "Retry-After": "60" },
        ),
      );
      await assertPrints(
        "the gateway responds with 429 RESOURCE_EXHAUSTED: quota exhausted; try again in 60 s",
        service.url,
      );
    });

    it("a folder for downloads that cannot be one", () =>
      withFolder(async (folder) => {
        const file = join(folder, "file");
        await writeFile(file, "");
        await assertPrints(
          `cannot write to ${file} (EEXIST): set FOLDFORGE_DOWNLOADS to a folder of yours`,
          gateway().url,
          file,
        );
      }));

    it("a folder for downloads of someone else", function () {
      // Root may write everywhere.
      if (process.getuid?.() === 0) return this.skip();
      return withFolder(async (folder) => {
        await chmod(folder, 0o500);
        await assertPrints(
          `cannot write to ${folder} (EACCES): set FOLDFORGE_DOWNLOADS to a folder of yours`,
          gateway().url,
          folder,
        );
      });
    });
  });
});
