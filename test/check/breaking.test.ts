import assert from "node:assert/strict";
import { assertFails, assertPasses, eachInScratch } from "./scratch-fixture.ts";
import type { Scratch } from "./scratch-fixture.ts";

const common = "proto/foldforge/common/v1/common.proto";
const orchestrator = "proto/foldforge/orchestrator/v1/orchestrator.proto";

const breakings = [
  {
    change: "a renumbered field",
    file: common,
    from: "string gpu_type = 1;",
    to: "string gpu_type = 6;",
    says: 'field "1" with name "gpu_type"',
  },
  {
    change: "a removed field",
    file: orchestrator,
    from: "  // Designs that have the metric and pass the filters.\n  uint32 total_ranked = 3;\n",
    to: "",
    says: 'field "3" with name "total_ranked"',
  },
  {
    change: "a field of another type",
    file: common,
    from: "uint64 size_bytes = 3;",
    to: "uint32 size_bytes = 3;",
    says: '"size_bytes"',
  },
  {
    change: "a removed call",
    file: orchestrator,
    from: "  // Reads a principal's credits.\n  rpc GetBalance(GetBalanceRequest) returns (GetBalanceResponse) {\n    option idempotency_level = NO_SIDE_EFFECTS;\n  }\n",
    to: "",
    says: '"GetBalance"',
  },
];

function breakContract(scratch: Scratch) {
  for (const { file, from, to } of breakings) scratch.edit(file, from, to);
}

describe("make check, on changes of the gRPC contract", () => {
  const scratch = eachInScratch();

  it("names the file of every change that breaks programs built from the main branch", async () => {
    await scratch().commitAs("main");
    breakContract(scratch());
    assertPasses(await scratch().run("make", "generate"));
    const outcome = await scratch().run("make", "check");
    assertFails(outcome);
    for (const { change, file, says } of breakings) {
      const isNamed = outcome.output.split("\n").some((line) => line.startsWith(file) && line.includes(says));
      assert.ok(isNamed, `${change} in ${file} is not named in:\n${outcome.output}`);
    }
  });
});

describe("breaking.ts", () => {
  const scratch = eachInScratch();
  const compare = () => scratch().run("node", "test/check/breaking.ts");

  it("passes a compatible change", async () => {
    await scratch().commitAs("main");
    scratch().edit(
      common,
      "string gpu_type = 1;",
      "string gpu_type = 1;\n  // Its vendor.\n  string vendor = 6;",
    );
    assert.deepEqual(await compare(), { status: 0, output: "" });
  });

  it("compares with origin's main branch rather than with what was committed here", async () => {
    await scratch().commitAs("main");
    await scratch().run("git", "update-ref", "refs/remotes/origin/main", "main");
    breakContract(scratch());
    await scratch().commitAs("main");
    assertFails(await compare(), common, orchestrator);
  });

  it("says that it is skipped where there is no main branch", async () => {
    await scratch().commitAs("topic");
    breakContract(scratch());
    const { status, output } = await compare();
    assert.equal(status, 0);
    assert.match(output, /^buf breaking: skipped, there is no main branch/);
  });

  it("fails where there is a main branch and buf cannot read it", async () => {
    await scratch().commitAs("main");
    scratch().write("buf.yaml", "version: v9\n");
    assertFails(await compare(), "buf.yaml");
  });
});
