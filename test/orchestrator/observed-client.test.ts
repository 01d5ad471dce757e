import assert from "node:assert/strict";
import { Code, ConnectError } from "@connectrpc/connect";
import { connectTo, decodingClient } from "../support/orchestrator.ts";
import { observedClient } from "../../src/orchestrator/observed-client.ts";
import type { ObserveCall } from "../../src/orchestrator/observed-client.ts";
import { suite } from "../support/gateway.ts";
import { hang } from "../support/hang.ts";
import { stepEvent, workflowEvent } from "../support/samples.ts";
import { startUpstream } from "../support/upstream.ts";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";

describe("observedClient", () => {
  const upstream = suite(startUpstream);
  const observation = suite(() => {
    const told: string[] = [];
    const observe: ObserveCall = (rpc, options) => {
      told.push(rpc);
      return { options: { ...options, headers: { "told-by": "observer" } }, end: (code) => told.push(code) };
    };
    const { encodedClient, close } = connectTo([upstream().url]);
    const observed = decodingClient(observedClient(encodedClient, observe));
    return Promise.resolve({ told, client: observed, close: () => Promise.resolve(close()) });
  });

  /** What is told while `act` runs. */
  async function toldDuring(act: () => Promise<unknown>): Promise<readonly string[]> {
    const before = observation().told.length;
    await act();
    return observation().told.slice(before);
  }

  it("tells of a call by its rpc and OK, before its caller hears, and makes it with the observer's options", async () => {
    upstream().rpcs.getWorkflow = ({ workflowId }) => ({ id: workflowId });
    const { client } = observation();
    const told = await toldDuring(async () => {
      assert.equal((await client.getWorkflow({ workflowId: "w1" })).id, "w1");
    });
    assert.deepEqual(told, ["GetWorkflow", "OK"]);
    assert.equal(upstream().calls.at(-1)?.metadata.get("told-by"), "observer");
  });

  it("tells each code of gRPC by its canonical name, and rejects with the error itself", async () => {
    const codes = Object.values(Code).filter((code) => typeof code !== "string");
    const names: string[] = [];
    for (const code of codes) {
      upstream().rpcs.getWorkflow = () => {
        throw new ConnectError("refused", code);
      };
      const [, name = ""] = await toldDuring(() =>
        assert.rejects(observation().client.getWorkflow({}), ConnectError),
      );
      names.push(name);
    }
    // The first, CANCELLED, means that the call was lost.
    assert.deepEqual(names, [
      "UNAVAILABLE",
      "UNKNOWN",
      "INVALID_ARGUMENT",
      "DEADLINE_EXCEEDED",
      "NOT_FOUND",
      "ALREADY_EXISTS",
      "PERMISSION_DENIED",
      "RESOURCE_EXHAUSTED",
      "FAILED_PRECONDITION",
      "ABORTED",
      "OUT_OF_RANGE",
      "UNIMPLEMENTED",
      "INTERNAL",
      "UNAVAILABLE",
      "DATA_LOSS",
      "UNAUTHENTICATED",
    ]);
  });

  it("tells CANCELLED of a call and of a stream that this side gives up, one that never began included", async () => {
    const { client } = observation();
    const left = new AbortController();
    void hang(upstream(), "getWorkflow").started.then(() => left.abort());
    const { signal } = left;
    const call = () => assert.rejects(client.getWorkflow({}, { signal }), { code: Code.Canceled });
    assert.deepEqual(await toldDuring(call), ["GetWorkflow", "CANCELLED"]);

    const stream = client.streamWorkflowEvents({}, { signal });
    const iterate = () =>
      assert.rejects(async () => stream[Symbol.asyncIterator]().next(), { code: Code.Canceled });
    assert.deepEqual(await toldDuring(iterate), ["StreamWorkflowEvents", "CANCELLED"]);
  });

  it("tells of a stream once it has ended", async () => {
    upstream().rpcs.streamWorkflowEvents = async function* () {
      yield Promise.resolve(workflowEvent(0n, JobState.RUNNING));
      yield stepEvent(1n);
    };
    const seen: unknown[] = [];
    const told = await toldDuring(async () => {
      for await (const { eventId } of observation().client.streamWorkflowEvents({})) {
        seen.push(eventId, observation().told.at(-1));
      }
    });
    assert.deepEqual(told, ["StreamWorkflowEvents", "OK"]);
    assert.deepEqual(seen, [0n, "StreamWorkflowEvents", 1n, "StreamWorkflowEvents"]);
  });

  it("tells of a stream that breaks by its code, once, though it is left after that", async () => {
    upstream().rpcs.streamWorkflowEvents = async function* () {
      yield Promise.resolve(stepEvent(1n));
      throw new ConnectError("no more", Code.NotFound);
    };
    const events = observation().client.streamWorkflowEvents({})[Symbol.asyncIterator]();
    const told = await toldDuring(async () => {
      await events.next();
      await assert.rejects(events.next(), { code: Code.NotFound });
      await events.return?.();
    });
    assert.deepEqual(told, ["NOT_FOUND"]);
  });

  it("tells CANCELLED of a stream that is left, once, and ends the server's side", async () => {
    const hanging = hang(upstream(), "streamWorkflowEvents");
    const told = await toldDuring(async () => {
      const events = observation().client.streamWorkflowEvents({})[Symbol.asyncIterator]();
      const next = events.next();
      await hanging.started;
      await events.return?.();
      assert.equal((await next).done, true);
    });
    assert.deepEqual(told, ["StreamWorkflowEvents", "CANCELLED"]);
    await hanging.cancelled;
  });
});
