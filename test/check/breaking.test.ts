import assert from "node:assert/strict";
import { assertFails, eachInScratch } from "./scratch-fixture.ts";
import type { Scratch } from "./scratch-fixture.ts";

const common = "proto/foldforge/common/v1/common.proto";
const orchestrator = "proto/foldforge/orchestrator/v1/orchestrator.proto";

const contract = ["buf.yaml", "proto"];

const breakingChanges = [
  {
    change: "a renumbered field",
    file: common,
    from: "string gpu_type = 1;",
    to: "string gpu_type = 6;",
    message: 'field "1" with name "gpu_type"',
  },
  {
    change: "a removed field",
    file: orchestrator,
    from: "  // The number of designs that have the metric and pass the filters.\n  uint32 total_ranked = 3;\n",
    to: "",
    message: 'field "3" with name "total_ranked"',
  },
  {
    change: "a field of another type",
    file: common,
    from: "uint64 size_bytes = 3;",
    to: "uint32 size_bytes = 3;",
    message: '"size_bytes"',
  },
  {
    change: "a removed call",
    file: orchestrator,
    from: "  // Reads a principal's balance.\n  rpc GetBalance(GetBalanceRequest) returns (GetBalanceResponse) {\n    option idempotency_level = NO_SIDE_EFFECTS;\n  }\n",
    to: "",
    message: '"GetBalance"',
  },
];

function breakContract(scratch: Scratch) {
  for (const { file, from, to } of breakingChanges) scratch.edit(file, from, to);
}

describe("node test/check/breaking.ts", () => {
  const scratch = eachInScratch();
  const compare = () => scratch().run("node", "test/check/breaking.ts");

  it("is part of make check-contracts", async () => {
    const { output } = await scratch().run("make", "--dry-run", "check-contracts");
    assert.match(output, /^node test\/check\/breaking\.ts$/m);
  });

  it("reports the file of every change that breaks programs built from the main branch", async () => {
    await scratch().commitAs("main", ...contract);
    breakContract(scratch());
    const outcome = await compare();
    assertFails(outcome);
    for (const { change, file, message } of breakingChanges) {
      const isNamed = outcome.output
        .split("\n")
        .some((line) => line.startsWith(file) && line.includes(message));
      assert.ok(isNamed, `${change} in ${file} is not named in:\n${outcome.output}`);
    }
  });

  it("passes a compatible change", async () => {
    await scratch().commitAs("main", ...contract);
    scratch().edit(
      common,
      "string gpu_type = 1;",
      "string gpu_type = 1;\n  // The GPU vendor.\n  string vendor = 6;",
    );
    assert.deepEqual(await compare(), { status: 0, output: "" });
  });

  it("compares with the main branch of origin rather than the local one", async () => {
    await scratch().commitAs("main", ...contract);
    await scratch().run("git", "update-ref", "refs/remotes/origin/main", "main");
    breakContract(scratch());
    await scratch().commitAs("main", ...contract);
    assertFails(await compare(), common, orchestrator);
  });

  it("reports that it is skipped without a main branch", async () => {
    await scratch().commitAs("topic", ...contract);
    breakContract(scratch());
    const { status, output } = await compare();
    assert.equal(status, 0);
    assert.match(output, /^buf breaking: skipped, there is no main branch/);
  });

  it("fails if buf cannot read the main branch", async () => {
    await scratch().commitAs("main", ...contract);
    scratch().write("buf.yaml", "version: v9\n");
    assertFails(await compare(), "buf.yaml");
  });
});
