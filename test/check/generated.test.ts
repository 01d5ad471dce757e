import { spawnSync } from "node:child_process";
import assert from "node:assert/strict";
import { assertFails, assertPasses, eachInScratch } from "./scratch-fixture.ts";

const proto = "generated/proto/foldforge";
const offline = ["--map-root-user", "--net"];

/** A contract of its own; it follows all the rules. */
const billingProto = `syntax = "proto3";

// Billing.
package foldforge.billing.v1;

// A bill.
message Bill {
  // Its id.
  string id = 1;
}
`;

describe("make generate", function () {
  const scratch = eachInScratch();

  it("restores missing, stale and surplus files byte for byte, without a network", async () => {
    const canGoOffline = spawnSync("unshare", [...offline, "true"]).status === 0;
    if (!canGoOffline) console.log("      with a network: this machine forbids unshare --net");
    await scratch().commitAs("main", "generated");
    scratch().write(`${proto}/common/v1/common_pb.js`, "");
    scratch().write(`${proto}/gone/v1/gone_pb.js`, "");
    scratch().write("generated/openapi/gateway.v1.ts", "");
    const generate = ["make", "generate"] as const;
    assertPasses(
      await (canGoOffline ? scratch().run("unshare", ...offline, ...generate) : scratch().run(...generate)),
    );
    assert.deepEqual(await scratch().run("git", "status", "--porcelain", "generated"), {
      status: 0,
      output: "",
    });
  });
});

describe("node test/check/generated.ts", () => {
  const scratch = eachInScratch();

  it("is part of make check-contracts", async () => {
    const { output } = await scratch().run("make", "--dry-run", "check-contracts");
    assert.match(output, /^node test\/check\/generated\.ts$/m);
  });

  it("names every generated file that is stale, missing or of no contract", async () => {
    scratch().edit("proto/foldforge/common/v1/common.proto", "// The number of GPUs.", "// How many GPUs.");
    scratch().write("proto/foldforge/billing/v1/billing.proto", billingProto);
    scratch().write(`${proto}/gone/v1/gone_pb.js`, "");
    scratch().write("generated/openapi/gone.ts", "");
    // A single byte counts.
    scratch().write(
      "generated/openapi/gateway.v1.ts",
      `${scratch().read("generated/openapi/gateway.v1.ts")}\n`,
    );
    assertFails(
      await scratch().run("node", "test/check/generated.ts"),
      `${proto}/common/v1/common_pb.d.ts is stale`,
      "generated/openapi/gateway.v1.ts is stale",
      `${proto}/billing/v1/billing_pb.js is missing`,
      `${proto}/billing/v1/billing_pb.d.ts is missing`,
      `${proto}/gone/v1/gone_pb.js comes from no contract`,
      "generated/openapi/gone.ts comes from no contract",
    );
  });
});
