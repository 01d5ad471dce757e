import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { skipReason } from "./peers/build.ts";
import { cpuMicrosFrom, residentBytesFrom, usageOf } from "./peers/process-usage.ts";

const stat =
  "4242 (go) S (x) S 1 4242 4242 0 -1 4194560 900 0 3 0 150 25 7 8 20 0 9 0 5000 1250000000 5200 18446744073709551615";

describe("the CPU time and memory of a program", () => {
  it("is the sum of user and system time, whatever the program is called", () => {
    assert.equal(cpuMicrosFrom(stat), (150 + 25) * 10_000);
    assert.throws(() => cpuMicrosFrom("4242 (go) S 1"), /not the stat/);
  });

  it("is the resident memory in bytes", () => {
    assert.equal(residentBytesFrom("Name:\tgo\nVmHWM:\t  900 kB\nVmRSS:\t     512 kB\n"), 512 * 1024);
    assert.throws(() => residentBytesFrom("Name:\tgo\n"), /no VmRSS/);
  });

  it("is read from /proc, and agrees with what the process says of itself", function () {
    if (!existsSync("/proc/self/stat")) return this.skip();
    const until = performance.now() + 50;
    while (performance.now() < until);
    const { cpuMicros, residentBytes } = usageOf(process.pid);
    const { user, system } = process.cpuUsage();
    assert.ok(cpuMicros > 0 && cpuMicros <= user + system);
    assert.ok(user + system - cpuMicros < 100_000);
    assert.ok(residentBytes > 0.5 * process.memoryUsage.rss());
  });
});

describe("skipReason", () => {
  const failed = (stderr: string) => Object.assign(new Error("Command failed: x\nmore"), { stderr, code: 1 });

  for (const [what, error, reason] of [
    ["no toolchain", Object.assign(new Error("spawn go ENOENT"), { code: "ENOENT" }), "go is not installed"],
    [
      "no registry",
      failed('go: downloading x v1\ngo: x@v1: Get "https://proxy.golang.org/x": dial tcp: no such host\n'),
      'the build failed: go: x@v1: Get "https://proxy.golang.org/x": dial tcp: no such host',
    ],
    [
      "cargo's error",
      failed("   Compiling peer v0.0.0\nerror[E0425]: cannot find value\n --> src/main.rs\n"),
      "the build failed: error[E0425]: cannot find value",
    ],
    ["no output", failed(""), "the build failed: Command failed: x"],
    [
      "a build without end",
      Object.assign(failed(""), { killed: true }),
      "the build took more than 15 minutes",
    ],
  ] as const)
    it(`names ${what} in one line`, () => {
      assert.equal(skipReason("go", error), reason);
    });
});
