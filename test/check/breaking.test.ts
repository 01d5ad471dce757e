import assert from "node:assert/strict";
import { assertFails, eachInScratch } from "./scratch-fixture.ts";
import type { Scratch } from "./scratch-fixture.ts";

const common = "proto/foldforge/common/v1/common.proto";
const orchestrator = "proto/foldforge/orchestrator/v1/orchestrator.proto";

const openApi = "openapi/gateway.v1.yaml";

const contracts = ["buf.yaml", "proto", "openapi", "CHANGELOG.md"];

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
    from: "  // The number of designs that have the metric and pass the filters, at most `top_k`.\n  uint32 total_ranked = 3;\n",
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
  {
    change: "a path with another name",
    file: openApi,
    from: "\n  /v1/workflows/{id}/rank:\n",
    to: "\n  /v1/workflows/{id}/ranking:\n",
    message: "POST /v1/workflows/{id}/rank: is now POST /v1/workflows/{id}/ranking",
  },
  {
    change: "an operation without a token",
    file: openApi,
    from: "      operationId: getBalance\n",
    to: "      operationId: getBalance\n      security: []\n",
    message: "GET /v1/billing/balance: requires no token",
  },
];

/** A change that breaks clients, as the changelog states it. */
const maximum = {
  from: "            maximum: 200\n",
  to: "            maximum: 100\n",
  change: "GET /v1/billing/ledger, query limit: maximum was 200 and is 100",
};

function breakContracts(scratch: Scratch) {
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
    await scratch().commitAs("main", ...contracts);
    breakContracts(scratch());
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
    await scratch().commitAs("main", ...contracts);
    scratch().edit(
      common,
      "string gpu_type = 1;",
      "string gpu_type = 1;\n  // The GPU vendor.\n  string vendor = 6;",
    );
    scratch().edit(openApi, maximum.from, "            maximum: 1000\n");
    assert.deepEqual(await compare(), { status: 0, output: "" });
  });

  it("compares with the main branch of origin rather than the local one", async () => {
    await scratch().commitAs("main", ...contracts);
    await scratch().run("git", "update-ref", "refs/remotes/origin/main", "main");
    breakContracts(scratch());
    await scratch().commitAs("main", ...contracts);
    assertFails(await compare(), common, orchestrator, openApi);
  });

  it("does not miss what has landed on the main branch since the current one left it", async () => {
    await scratch().commitAs("main", ...contracts);
    const before = scratch().read(openApi);
    await scratch().run("git", "branch", "topic");
    scratch().edit(
      openApi,
      "        next_page_token:\n",
      "        total:\n          type: integer\n        next_page_token:\n",
    );
    await scratch().commitAs("main", ...contracts);
    await scratch().run("git", "symbolic-ref", "HEAD", "refs/heads/topic");
    scratch().write(openApi, before);
    assert.deepEqual(await compare(), { status: 0, output: "" });
  });

  it("reports that it is skipped without a main branch", async () => {
    await scratch().commitAs("topic", ...contracts);
    breakContracts(scratch());
    const { status, output } = await compare();
    assert.equal(status, 0);
    assert.match(output, /^contract changes: skipped, there is no main branch/);
  });

  it("fails if buf cannot read the main branch", async () => {
    await scratch().commitAs("main", ...contracts);
    scratch().write("buf.yaml", "version: v9\n");
    assertFails(await compare(), "buf.yaml");
  });

  describe("with a changelog", () => {
    const state = (change: string, reason = ": nobody reads more.") =>
      scratch().edit(
        "CHANGELOG.md",
        "\n### Changed\n\n",
        `\n### Changed\n\n- Breaking: \`${change}\`${reason}\n`,
      );

    it("passes a change that it states with a reason, in a contract of either kind", async () => {
      await scratch().commitAs("main", ...contracts);
      scratch().edit(openApi, maximum.from, maximum.to);
      // Formatters wrap lines.
      state(maximum.change.replace("query limit: ", "query limit:\n  "));
      scratch().edit(common, "string gpu_type = 1;", "string gpu_kind = 1;");
      state(
        'Field "1" with name "gpu_kind" on message "ResourceSpec" changed option "json_name" from "gpuType" to "gpuKind".',
      );
      state('Field "1" on message "ResourceSpec" changed name from "gpu_type" to "gpu_kind".');
      assert.deepEqual(await compare(), { status: 0, output: "" });
    });

    it("reports a change that it states without a reason", async () => {
      await scratch().commitAs("main", ...contracts);
      scratch().edit(openApi, maximum.from, maximum.to);
      state(maximum.change, "");
      assertFails(await compare(), `${openApi}: ${maximum.change}; `);
    });

    it("reports a statement that no change matches", async () => {
      await scratch().commitAs("main", ...contracts);
      state(maximum.change);
      assertFails(await compare(), `CHANGELOG.md: no change of the contracts is "${maximum.change}"`);
    });

    it("does not take a statement of the main branch for one of this change", async () => {
      state(maximum.change);
      await scratch().commitAs("main", ...contracts);
      assert.deepEqual(await compare(), { status: 0, output: "" });
      scratch().edit(openApi, maximum.from, maximum.to);
      assertFails(await compare(), `${openApi}: ${maximum.change}; `);
    });
  });
});
