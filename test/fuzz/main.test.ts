import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readContract } from "./contract.ts";

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

describe("make fuzz", () => {
  describe("with 20,000 requests", () => {
    let status: number;
    let output: string;

    before("run", async () => {
      const settings = {
        FUZZ_SEED: "20000",
        // A few more, after which growth of memory is judged.
        FUZZ_REQUESTS: "20100",
        FUZZ_SECONDS: "3600",
        // Generous, since the machine of a test may be slow.
        FUZZ_WAIT_MS: "1000",
      };
      ({ status, output } = await makeFuzz(settings).ended);
    });

    /** The numbers of requests by status, printed for an operation. */
    function countsOf(id: string): Map<string, number> {
      const [, line = ""] = new RegExp(`^ {2}${id} +(.*)$`, "m").exec(output) ?? [];
      return new Map(line.split("  ").map((entry) => [entry.split(": ")[0]!, Number(entry.split(": ")[1])]));
    }

    it("succeeds, and prints its seed", () => {
      assert.equal(status, 0, output);
      assert.match(output, /^fuzz: seed 20000, for 3600 s$/m);
    });

    it("has measured memory, and the wait for health checks", () => {
      assert.match(output, /^fuzz: memory grew by -?\d+\.\d bytes per request, of \d+ allowed$/m);
      assert.match(output, /^fuzz: the longest wait for healthz took \d+ ms, /m);
      assert.match(output, /^fuzz: (resident memory was \d+ MiB at most|this system does not report)/m);
    });

    it("has sent requests of each operation that succeed and that fail", () => {
      for (const { id } of readContract().operations) {
        const counts = [...countsOf(id)];
        const isCommon = (status: RegExp) => counts.some(([own, count]) => status.test(own) && count > 50);
        assert.ok(isCommon(/^2..$/), `${id} has succeeded`);
        assert.ok(isCommon(/^4..$/), `${id} has been rejected`);
      }
    });

    it("has sent large requests, and clients have disconnected", () => {
      const [, requests, large] = /^fuzz: (\d+) requests, (\d+) of them large$/m.exec(output) ?? [];
      assert.ok(Number(requests) >= 20_000);
      assert.ok(Number(large) > 20, "there were large requests");
      const operations = readContract().operations.filter(({ id }) => countsOf(id).has("disconnected"));
      assert.ok(operations.length > 5, "clients of many operations have disconnected");
    });
  });

  it("rejects an invalid setting in one line, and fails", async () => {
    const { status, output } = await makeFuzz({ FUZZ_SECONDS: "soon" }).ended;
    assert.equal(status, 2);
    assert.match(output, /^fuzz: FUZZ_SECONDS must be a number$/m);
  });

  it("stops on Ctrl-C, and prints a summary", async () => {
    const { child, ended } = makeFuzz({ FUZZ_SECONDS: "3600" });
    await once(child.stdout, "data");
    process.kill(-child.pid!, "SIGINT");
    const { output } = await ended;
    assert.match(output, /^fuzz: \d+ requests, \d+ of them large$/m);
  });
});
