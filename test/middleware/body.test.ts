import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import { suite } from "../support/gateway.ts";
import { oneStep, workflowIn } from "../support/samples.ts";
import { callsDuring, startStack } from "../support/stack.ts";

const json = JSON.stringify(oneStep);
/** A sound submission of exactly `bytes` bytes: JSON may end in any white space. */
const jsonOf = (bytes: number) => json.padEnd(bytes, " ");

describe("body", () => {
  const queued = () => workflowIn(JobState.QUEUED);
  const stack = suite(() => startStack({ submitWorkflow: queued, retryWorkflow: queued }));

  describe("jsonBody", () => {
    async function post(body: RequestInit["body"], headers: Record<string, string>) {
      // A Blob without a type lets fetch send no Content-Type at all.
      const answer = await stack().gateway.fetch("/v1/workflows", {
        method: "POST",
        body: body ?? null,
        headers,
      });
      return { status: answer.status, body: (await answer.json()) as { code: string; details?: object[] } };
    }

    for (const type of [
      "application/json",
      "application/json; charset=utf-8",
      "Application/JSON;charset=UTF-8",
      'application/json; charset="utf-8"',
      "application/json; profile=x",
    ]) {
      it(`reads ${type}`, async () => {
        assert.equal((await post(json, { "Content-Type": type })).status, 201);
      });
    }

    const notJson: [what: string, body: RequestInit["body"], headers: Record<string, string>][] = [
      ["no type", new Blob([json]), {}],
      ["text/plain", json, { "Content-Type": "text/plain" }],
      ["a form", "a=b", { "Content-Type": "application/x-www-form-urlencoded" }],
      ["application/jsonp", json, { "Content-Type": "application/jsonp" }],
      ["another JSON type", json, { "Content-Type": "application/merge-patch+json" }],
      ["charset latin1", json, { "Content-Type": "application/json; charset=latin1" }],
      ["charset utf8, which is no name of it", json, { "Content-Type": "application/json; charset=utf8" }],
      ["a charset in one quote", json, { "Content-Type": 'application/json; charset="utf-8' }],
      ["charset utf-16", json, { "Content-Type": "application/json; charset=utf-16" }],
      ["gzip", gzipSync(json), { "Content-Type": "application/json", "Content-Encoding": "gzip" }],
      ["bytes that are not UTF-8", Buffer.from([0x22, 0xff, 0x22]), { "Content-Type": "application/json" }],
    ];
    for (const [what, body, headers] of notJson) {
      it(`answers 415 to ${what}, and calls nobody`, async () => {
        const calls = await callsDuring(stack().upstream, async () => {
          const answer = await post(body, headers);
          assert.equal(answer.status, 415);
          assert.equal(answer.body.code, "INVALID_ARGUMENT");
        });
        assert.deepEqual(calls, []);
      });
    }

    it("reads a body of exactly 1 MiB", async () => {
      assert.equal((await post(jsonOf(1024 * 1024), { "Content-Type": "application/json" })).status, 201);
    });

    it("answers 413 to one byte more", async () => {
      const answer = await post(jsonOf(1024 * 1024 + 1), { "Content-Type": "application/json" });
      assert.equal(answer.status, 413);
      assert.equal(answer.body.code, "INVALID_ARGUMENT");
    });

    it("answers 413 to more than 1 MiB in chunks", async () => {
      const answer = await stack().gateway.fetch("/v1/workflows", {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: new Blob([jsonOf(1024 * 1024 + 1)]).stream(),
        duplex: "half",
      });
      assert.equal(answer.status, 413);
    });

    for (const text of ["{", "", '{"name":}', '{"name":"n"} x', "\ufeff{}"]) {
      it(`answers 400 at /body to ${JSON.stringify(text)}`, async () => {
        const answer = await post(text, { "Content-Type": "application/json" });
        assert.equal(answer.status, 400);
        assert.ok(
          answer.body.details?.every((fault) => (fault as { path: string }).path.startsWith("/body")),
          JSON.stringify(answer.body),
        );
      });
    }

    it("never logs what the body held", async () => {
      await post('{"name":"word-of-the-client"', { "Content-Type": "application/json" });
      assert.ok(!stack().gateway.logText.includes("word-of-the-client"));
    });
  });

  describe("an operation without a body", () => {
    it("may be sent one", async () => {
      const answer = await stack().gateway.fetch("/v1/workflows/w1/retry", {
        method: "POST",
        body: "not json",
        headers: { "Content-Type": "text/plain" },
      });
      assert.equal(answer.status, 200);
    });
  });
});
