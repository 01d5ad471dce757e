import assert from "node:assert/strict";
import { Code, ConnectError } from "@connectrpc/connect";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import { suite } from "../support/gateway.ts";
import { upstreamOperations, withKeys } from "../support/operations.ts";
import { workflowIn } from "../support/samples.ts";
import { startStack } from "../support/stack.ts";

const queued = () => workflowIn(JobState.QUEUED);

describe("Cache-Control", () => {
  const stack = suite(() =>
    startStack(
      {
        ...withKeys.rpcs,
        submitWorkflow: queued,
        listWorkflows: () => ({}),
        getWorkflow: queued,
        cancelWorkflow: queued,
        retryWorkflow: queued,
        rankDesigns: () => ({}),
        getBalance: () => ({}),
        listLedger: () => ({}),
      },
      withKeys.settings,
    ),
  );

  for (const { id, path, init, rpc } of upstreamOperations) {
    if (id !== "streamWorkflowEvents" && id !== "downloadArtifact")
      it(`of a success of ${id} is no-store, unless it has an ETag`, async () => {
        const response = await stack().gateway.fetch(path, init);
        assert.ok(response.ok);
        const hasTag = response.headers.get("etag") !== null;
        assert.equal(hasTag, id === "getWorkflow" || id === "listArtifacts");
        assert.equal(response.headers.get("cache-control"), hasTag ? "private, no-cache" : "no-store");
      });

    it(`of an error of ${id} is no-store`, async () => {
      const { gateway, upstream } = stack();
      const before = upstream.rpcs[rpc];
      upstream.rpcs[rpc] = () => {
        throw new ConnectError("no", Code.NotFound);
      };
      const responses = [
        await gateway.fetch(path, init),
        await gateway.fetch(path, { ...init, token: null }),
        await gateway.fetch(`${path}?x=1`, init),
      ];
      assert.deepEqual(
        responses.map(({ status, headers }) => [status, headers.get("cache-control"), headers.get("etag")]),
        [
          [404, "no-store", null],
          [401, "no-store", null],
          [400, "no-store", null],
        ],
      );
      // The type of one call is not known to be that of the other.
      Object.assign(upstream.rpcs, { [rpc]: before });
    });
  }
});
