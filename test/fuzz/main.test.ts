import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";

/** Runs `make fuzz` in a process group of its own. */
function makeFuzz(settings: Record<string, string>) {
  const env = { ...process.env, ...settings };
  const child = spawn("make", ["fuzz"], { env, detached: true, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => (output += text));
  }
  const ended = once(child, "close").then(([status]) => ({ status: status as number, output }));
  return { child, ended };
}

/** A generous bound for a machine that runs other programs. */
const busy = { FUZZ_WAIT_MS: "1000" };

describe("make fuzz", () => {
  it("prints its seed, and the number of requests for each operation and status", async () => {
    const { status, output } = await makeFuzz({ ...busy, FUZZ_SECONDS: "0.1", FUZZ_SEED: "7" }).ended;
    assert.equal(status, 0, output);
    assert.match(output, /^fuzz: seed 7, for 0.1 s$/m);
    assert.match(output, /^ {2}submitWorkflow +200: \d+ +201: \d+ +400: \d+/m);
    const [, requests] = /^fuzz: (\d+) requests$/m.exec(output) ?? [];
    assert.ok(Number(requests) > 200, output);
    assert.match(output, /^fuzz: the longest wait for healthz took \d+ ms, /m);
    assert.match(output, /^fuzz: (resident memory was \d+ MiB at most|this system does not report)/m);
  });

  it("stops on Ctrl-C, and prints a summary", async () => {
    const { child, ended } = makeFuzz({ FUZZ_SECONDS: "3600" });
    await once(child.stdout, "data");
    process.kill(-child.pid!, "SIGINT");
    const { output } = await ended;
    assert.match(output, /^fuzz: \d+ requests$/m);
  });
});
