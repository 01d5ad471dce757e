import assert from "node:assert/strict";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import { suite } from "../support/gateway.ts";
import { sha256, workflowIn } from "../support/samples.ts";
import { startStack } from "../support/stack.ts";
import { assertFailure, download } from "./download.ts";
import type { RawResponder } from "./raw-store.ts";
import {
  responseOf,
  headersOf,
  shortReadTimeout,
  rawStoreSettings,
  startRawStore,
  storeText,
} from "./raw-store.ts";
import { bytes, promptFaults, idleFaults } from "./store-faults.ts";

const digest = sha256(bytes);
const artifact = {
  uri: "r2://foldforge/a.pdb",
  contentType: "chemical/x-pdb",
  sizeBytes: BigInt(bytes.length),
  sha256: digest,
};
const path = "/v1/workflows/w1/artifacts/a.pdb";

const rpcs = { getWorkflow: () => workflowIn(JobState.SUCCEEDED, [artifact]) };

for (const [when, settings, faults] of [
  ["fails", {}, promptFaults],
  ["sends nothing more", shortReadTimeout, idleFaults],
] as const)
  describe(`GET /v1/workflows/{id}/artifacts/{key}, when the store ${when}`, () => {
    const store = suite(startRawStore);
    const stack = suite(() => startStack(rpcs, { ...rawStoreSettings(store()), ...settings }));

    /** Downloads; also returns the errors logged in the meantime. */
    async function downloadFrom(respond: RawResponder) {
      const { gateway } = stack();
      store().respond = respond;
      const before = gateway.logs.length;
      const outcome = await download(gateway.url + path);
      // The lines of a request are written before its connection closes, so before the next response.
      await gateway.fetch("/v1/healthz");
      return {
        outcome,
        errors: gateway.logs.slice(before).filter(({ event }) => event === "request.failed"),
      };
    }

    for (const [what, expected, respond] of faults)
      it(`${expected === "failure" ? "breaks visibly" : `returns ${expected}`} when it ${what}`, async () => {
        const { outcome, errors } = await downloadFrom(respond);
        assertFailure(outcome, expected);
        assert.ok(!outcome.body.includes(storeText));
        if (expected === 404) return assert.deepEqual(errors, []);
        assert.equal(errors.length, 1);
        const { err } = errors[0] as { err?: { cause?: { message?: string } } };
        assert.ok(err?.cause?.message, JSON.stringify(errors[0]));
      });

    it("returns the whole file when the store has recovered", async () => {
      const { outcome, errors } = await downloadFrom((socket) => socket.write(responseOf("200 OK", bytes)));
      assert.deepEqual([outcome.status, outcome.isComplete, errors], [200, true, []]);
      assert.ok(outcome.body.equals(bytes));
    });
  });

describe("GET /v1/workflows/{id}/artifacts/{key}, when the gateway rejects the store's response", () => {
  const store = suite(startRawStore);
  const stack = suite(() => startStack(rpcs, rawStoreSettings(store())));

  for (const [what, response] of [
    ["its length is wrong", responseOf("200 OK", bytes, { "Content-Length": bytes.length - 1 })],
    ["its headers are invalid", responseOf("200 OK", bytes, { "Last-Modified": "then" })],
    ["its error body is too long", headersOf("403 Forbidden") + "x".repeat(1024 * 1024)],
  ] as const)
    it(`closes the connection at once when ${what}`, async () => {
      store().respond = (socket) => socket.write(response);
      assertFailure(await download(stack().gateway.url + path), 500);
      await store().connectionsAtMost(0);
    });
});

for (const [what, url] of [
  ["refuses connections", "http://127.0.0.1:1"],
  ["has no address", "http://store.invalid"],
] as const)
  describe(`GET /v1/workflows/{id}/artifacts/{key}, when the store ${what}`, () => {
    const stack = suite(() => startStack(rpcs, { ...rawStoreSettings({ url }), ...shortReadTimeout }));

    it("returns 503", async () => assertFailure(await download(stack().gateway.url + path), 503));
  });
