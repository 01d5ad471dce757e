import assert from "node:assert/strict";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import { suite } from "../support/gateway.ts";
import { sha256, workflowIn } from "../support/samples.ts";
import { startStack } from "../support/stack.ts";
import { assertFailure, download } from "./download.ts";
import type { RawAnswer } from "./raw-store.ts";
import { answerOf, head, impatience, rawStoreSettings, startRawStore, storeText } from "./raw-store.ts";
import { bytes, promptFaults, silences } from "./store-faults.ts";

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
  ["falls silent", impatience, silences],
] as const)
  describe(`a download, when the store ${when}`, () => {
    const store = suite(startRawStore);
    const stack = suite(() => startStack(rpcs, { ...rawStoreSettings(store()), ...settings }));

    /** Downloads, and tells what was logged as an error meanwhile. */
    async function downloadFrom(answer: RawAnswer) {
      const { gateway } = stack();
      store().answer = answer;
      const before = gateway.logs.length;
      const outcome = await download(gateway.url + path);
      // What is logged of a request is logged before its connection closes; the next answer comes after that.
      await gateway.fetch("/v1/healthz");
      return {
        outcome,
        errors: gateway.logs.slice(before).filter(({ event }) => event === "request.failed"),
      };
    }

    for (const [what, expected, answer] of faults)
      it(`is ${expected === "failure" ? "visibly broken" : expected} when it ${what}`, async () => {
        const { outcome, errors } = await downloadFrom(answer);
        assertFailure(outcome, expected);
        assert.ok(!outcome.body.includes(storeText));
        if (expected === 404) return assert.deepEqual(errors, []);
        assert.equal(errors.length, 1);
        const { err } = errors[0] as { err?: { cause?: { message?: string } } };
        assert.ok(err?.cause?.message, JSON.stringify(errors[0]));
      });

    it("is whole once the store is well again", async () => {
      const { outcome, errors } = await downloadFrom((socket) => socket.write(answerOf("200 OK", bytes)));
      assert.deepEqual([outcome.status, outcome.isComplete, errors], [200, true, []]);
      assert.ok(outcome.body.equals(bytes));
    });
  });

describe("a download that the gateway breaks off itself", () => {
  const store = suite(startRawStore);
  const stack = suite(() => startStack(rpcs, rawStoreSettings(store())));

  for (const [what, answer] of [
    ["the length is wrong", answerOf("200 OK", bytes, { "Content-Length": bytes.length - 1 })],
    ["the headers cannot be read", answerOf("200 OK", bytes, { "Last-Modified": "then" })],
    ["an error is too long", head("403 Forbidden") + "x".repeat(1024 * 1024)],
  ] as const)
    it(`gives its connection back at once when ${what}`, async () => {
      store().answer = (socket) => socket.write(answer);
      assertFailure(await download(stack().gateway.url + path), 500);
      await store().hasAtMost(0);
    });
});

for (const [what, url] of [
  ["refuses connections", "http://127.0.0.1:1"],
  ["has no address", "http://store.invalid"],
] as const)
  describe(`a download, when the store ${what}`, () => {
    const stack = suite(() => startStack(rpcs, { ...rawStoreSettings({ url }), ...impatience }));

    it("is 503", async () => assertFailure(await download(stack().gateway.url + path), 503));
  });
