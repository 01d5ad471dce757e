import assert from "node:assert/strict";
import { once } from "node:events";
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { WorkflowEventSchema } from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";

import { suite } from "../support/gateway.ts";
import { clientSuite, connectTo } from "../support/orchestrator.ts";
import { startUpstream } from "../support/upstream.ts";

const event = create(WorkflowEventSchema, { workflowId: "w1", eventId: 1n });

describe("createOrchestrator", () => {
  const upstream = suite(startUpstream);
  const client = clientSuite(upstream);

  it("rejects a call with Unavailable when the connection is lost, and the next one works", async () => {
    upstream().rpcs.getWorkflow = async (_request, { signal }) => {
      upstream().dropConnections();
      await once(signal, "abort");
      return {};
    };
    await assert.rejects(client().getWorkflow({ workflowId: "w1" }), { code: Code.Unavailable });
    upstream().rpcs.getWorkflow = ({ workflowId }) => ({ id: workflowId });
    assert.equal((await client().getWorkflow({ workflowId: "w2" })).id, "w2");
  });

  it("rejects a stream with Unavailable when the connection is lost, after its messages", async () => {
    upstream().rpcs.streamWorkflowEvents = async function* (_request, { signal }) {
      yield event;
      await once(signal, "abort");
    };
    const events = client().streamWorkflowEvents({ workflowId: "w1" })[Symbol.asyncIterator]();
    assert.equal((await events.next()).value?.eventId, 1n);
    upstream().dropConnections();
    await assert.rejects(events.next(), { code: Code.Unavailable });
  });

  it("rejects a call and a stream that the client cancels with Canceled", async () => {
    const cancelled = new AbortController();
    upstream().rpcs.getWorkflow = async (_request, { signal }) => {
      cancelled.abort();
      await once(signal, "abort");
      return {};
    };
    const call = client().getWorkflow({ workflowId: "w1" }, { signal: cancelled.signal });
    await assert.rejects(call, { code: Code.Canceled });

    const abandoned = new AbortController();
    const stream = client().streamWorkflowEvents({ workflowId: "w1" }, { signal: abandoned.signal });
    const events = stream[Symbol.asyncIterator]();
    await events.next();
    abandoned.abort();
    await assert.rejects(events.next(), { code: Code.Canceled });
  });

  for (const [code, becomes] of [
    [Code.NotFound, Code.NotFound],
    [Code.PermissionDenied, Code.PermissionDenied],
    [Code.Aborted, Code.Aborted],
    [Code.Internal, Code.Internal],
    // The client has not cancelled it: the call was lost.
    [Code.Canceled, Code.Unavailable],
  ] as const)
    it(`rejects a call and a stream with ${Code[becomes]} if the orchestrator fails with ${Code[code]}`, async () => {
      const error = new ConnectError("its own words", code);
      upstream().rpcs.getWorkflow = () => {
        throw error;
      };
      upstream().rpcs.streamWorkflowEvents = async function* () {
        yield event;
        await Promise.reject(error);
      };
      const expected = { code: becomes, rawMessage: "its own words" };
      await assert.rejects(client().getWorkflow({ workflowId: "w1" }), expected);
      const events = client().streamWorkflowEvents({ workflowId: "w1" })[Symbol.asyncIterator]();
      await events.next();
      await assert.rejects(events.next(), expected);
    });

  it("rejects with Unavailable if the orchestrator cannot be reached", async () => {
    const gone = await startUpstream();
    await gone.close();
    const connection = connectTo([gone.url]);
    await assert.rejects(connection.client.getWorkflow({ workflowId: "w1" }), { code: Code.Unavailable });
    connection.close();
  });
});
