import assert from "node:assert/strict";
import { Code, ConnectError } from "@connectrpc/connect";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import { suite } from "../support/gateway.ts";
import { workflowIn } from "../support/samples.ts";
import { callsDuring, startStack } from "../support/stack.ts";

const path = "/v1/workflows/w1";
const changes = [
  { name: "DELETE /v1/workflows/{id}", at: path, method: "DELETE", rpc: "CancelWorkflow" },
  { name: "POST /v1/workflows/{id}/retry", at: `${path}/retry`, method: "POST", rpc: "RetryWorkflow" },
] as const;

/** One second before the workflow was updated, and that second. */
const earlier = "Mon, 05 Jan 2026 08:59:59 GMT";
const same = "Mon, 05 Jan 2026 09:00:00 GMT";

describe("preconditions", () => {
  // Long enough to be compressed.
  const outputs = Array.from({ length: 20 }, (_, index) => ({
    uri: `r2://foldforge/artifacts/${index}.pdb`,
  }));
  const failed = () => workflowIn(JobState.FAILED, outputs);
  const stack = suite(() => startStack({ cancelWorkflow: failed, retryWorkflow: failed }));
  beforeEach(() => (stack().upstream.rpcs.getWorkflow = failed));

  async function tagWith(acceptEncoding: string): Promise<string> {
    const { gateway } = stack();
    const response = await gateway.fetch(path, { headers: { "Accept-Encoding": acceptEncoding } });
    await response.text();
    return response.headers.get("etag") ?? "";
  }

  /** Sends a request; returns its status, its body and the RPCs that were called for it. */
  async function send(at: string, method: string, headers: Record<string, string>) {
    let response: Response | undefined;
    const calls = await callsDuring(stack().upstream, async () => {
      response = await stack().gateway.fetch(at, { method, headers });
    });
    const body = (await response!.json().catch(() => undefined)) as Record<string, unknown> | undefined;
    return { status: response!.status, body, rpcs: calls.map(({ rpc }) => rpc) };
  }

  for (const { name, at, method, rpc } of changes)
    describe(name, () => {
      it("does not read the workflow without a precondition", async () => {
        assert.deepEqual((await send(at, method, {})).rpcs, [rpc]);
      });

      for (const coding of ["identity", "br", "gzip"])
        it(`accepts the ETag of the workflow in ${coding}`, async () => {
          const etag = await tagWith(coding);
          for (const headers of [{ "If-Match": etag }, { "If-Match": `"x", ${etag}` }, { "If-Match": "*" }]) {
            const { status, rpcs } = await send(at, method, headers);
            assert.deepEqual([status, rpcs], [200, ["GetWorkflow", rpc]]);
          }
        });

      it("accepts an If-Unmodified-Since of the last change or later, and ignores an invalid one", async () => {
        for (const date of [same, "Tue, 06 Jan 2026 09:00:00 GMT", "yesterday", "2020-01-01"])
          assert.equal((await send(at, method, { "If-Unmodified-Since": date })).status, 200);
      });

      it("responds with 412 to any other, and changes nothing", async () => {
        const etag = await tagWith("identity");
        for (const headers of [
          { "If-Match": '"other"' },
          { "If-Match": `W/${etag}` },
          { "If-Match": "nonsense" },
          { "If-Match": '"other"', "If-Unmodified-Since": same },
          { "If-Unmodified-Since": earlier },
          { "If-None-Match": etag },
          { "If-None-Match": `W/${etag}` },
          { "If-None-Match": "*" },
        ]) {
          const { status, body, rpcs } = await send(at, method, headers);
          assert.deepEqual(
            [status, body?.["code"], body?.["retryable"], rpcs],
            [412, "FAILED_PRECONDITION", false, ["GetWorkflow"]],
          );
          assert.match(String(body?.["message"]), /read the resource/);
        }
      });

      it("responds with 412 once the workflow has changed", async () => {
        const etag = await tagWith("br");
        stack().upstream.rpcs.getWorkflow = () => workflowIn(JobState.RUNNING, outputs);
        assert.equal((await send(at, method, { "If-Match": etag })).status, 412);
      });

      it("responds with 404 to a missing workflow with any precondition", async () => {
        stack().upstream.rpcs.getWorkflow = () => {
          throw new ConnectError("workflow w1 not found", Code.NotFound);
        };
        for (const ifMatch of ["*", '"other"'])
          assert.equal((await send(at, method, { "If-Match": ifMatch })).status, 404);
      });
    });

  describe("GET /v1/workflows/{id}", () => {
    it("has a strong ETag for each content coding, and accepts any of them", async () => {
      const tags = [await tagWith("identity"), await tagWith("br"), await tagWith("gzip")];
      assert.equal(new Set(tags).size, 3);
      for (const tag of tags) {
        assert.match(tag, /^"[\w-]{43}(\.br|\.gzip)?"$/);
        for (const header of [tag, `W/${tag}`]) {
          const response = await stack().gateway.fetch(path, { headers: { "If-None-Match": header } });
          // The tag that the client has: only that one finds its copy.
          assert.deepEqual([response.status, response.headers.get("etag")], [304, tag]);
        }
      }
    });

    it("evaluates If-Match and If-Unmodified-Since before If-None-Match", async () => {
      const etag = await tagWith("identity");
      for (const method of ["GET", "HEAD"]) {
        assert.equal(
          (await send(path, method, { "If-Match": '"other"', "If-None-Match": etag })).status,
          412,
        );
        assert.equal((await send(path, method, { "If-Unmodified-Since": earlier })).status, 412);
        assert.equal((await send(path, method, { "If-Match": etag, "If-None-Match": etag })).status, 304);
        assert.equal((await send(path, method, { "If-Match": etag })).status, 200);
      }
    });
  });
});
