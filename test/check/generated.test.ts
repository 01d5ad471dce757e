import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
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

  it("restores what is missing, stale or of no contract, byte for byte", async () => {
    await scratch().commitAs("main");
    scratch().write(`${proto}/common/v1/common_pb.js`, "");
    scratch().write(`${proto}/gone/v1/gone_pb.js`, "");
    scratch().write("generated/openapi/gateway.v1.ts", "");
    assertPasses(await scratch().run("make", "generate"));
    assert.deepEqual(await scratch().run("git", "status", "--porcelain"), { status: 0, output: "" });
  });

  it("needs no network", async function () {
    if (spawnSync("unshare", [...offline, "true"]).status !== 0) {
      console.log("      skipped: this machine lets nobody leave its network (unshare --net)");
      this.skip();
    }
    await scratch().commitAs("main");
    scratch().write(`${proto}/common/v1/common_pb.js`, "");
    scratch().write("generated/openapi/gateway.v1.ts", "");
    assertPasses(await scratch().run("unshare", ...offline, "make", "generate"));
    assert.deepEqual(await scratch().run("git", "status", "--porcelain"), { status: 0, output: "" });
  });
});

describe("make check, on the generated code", () => {
  const scratch = eachInScratch();

  it("names every file that is stale, missing or of no contract", async () => {
    scratch().edit("proto/foldforge/common/v1/common.proto", "// The number of GPUs.", "// How many GPUs.");
    scratch().edit(
      "openapi/gateway.v1.yaml",
      "description: The number of GPUs.",
      "description: How many GPUs.",
    );
    scratch().write("proto/foldforge/billing/v1/billing.proto", billingProto);
    scratch().write(`${proto}/gone/v1/gone_pb.js`, "");
    scratch().write("generated/openapi/gone.ts", "");
    assertFails(
      await scratch().run("make", "check"),
      `${proto}/common/v1/common_pb.d.ts is stale`,
      "generated/openapi/gateway.v1.ts is stale",
      `${proto}/billing/v1/billing_pb.js is missing`,
      `${proto}/billing/v1/billing_pb.d.ts is missing`,
      `${proto}/gone/v1/gone_pb.js comes from no contract`,
      "generated/openapi/gone.ts comes from no contract",
    );
  });

  it("fails for a single byte that is not generated", async () => {
    scratch().write(
      `${proto}/common/v1/common_pb.js`,
      `${scratch().read(`${proto}/common/v1/common_pb.js`)}\n`,
    );
    assertFails(await scratch().run("make", "check"), `${proto}/common/v1/common_pb.js is stale`);
  });
});
