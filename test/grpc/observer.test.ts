import assert from "node:assert/strict";
import { Code, ConnectError } from "@connectrpc/connect";
import type { CallObserver } from "../../src/grpc/observer.ts";
import { connectTo } from "../support/orchestrator.ts";
import { suite } from "../support/gateway.ts";
import { hang } from "../support/hang.ts";
import { stepEvent, workflowEvent } from "../support/samples.ts";
import { startUpstream } from "../support/upstream.ts";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";

describe("CallObserver", () => {
  const upstream = suite(startUpstream);
  const observation = suite(() => {
    const seen: string[] = [];
    const observer: CallObserver = {
      started({ method }) {
        seen.push(method.name);
        return { metadata: { "sent-by": "observer" }, ended: (code) => seen.push(code) };
      },
    };
    const { client, close } = connectTo([upstream().url], { observers: [observer] });
    return Promise.resolve({ seen, client, close: () => Promise.resolve(close()) });
  });

  /** What the observer is called with while `act` runs. */
  async function seenDuring(act: () => Promise<unknown>): Promise<readonly string[]> {
    const before = observation().seen.length;
    await act();
    return observation().seen.slice(before);
  }

  it("is called with the method and OK of a call, and adds metadata to it", async () => {
    upstream().rpcs.getWorkflow = ({ workflowId }) => ({ id: workflowId });
    const { client } = observation();
    const during = await seenDuring(async () => {
      assert.equal((await client.getWorkflow({ workflowId: "w1" })).id, "w1");
    });
    assert.deepEqual(during, ["GetWorkflow", "OK"]);
    assert.equal(upstream().calls.at(-1)?.metadata.get("sent-by"), "observer");
  });

  for (const [what, headers] of [
    ["a record", { a: "1", "sent-by": "caller" }],
    ["Headers", new Headers({ a: "1", "sent-by": "caller" })],
    ["pairs", [["A", "1"] as [string, string], ["Sent-By", "caller"] as [string, string]]],
  ] as const)
    it(`adds metadata to ${what}, and replaces metadata with the same name`, async () => {
      upstream().rpcs.getWorkflow = () => ({});
      await observation().client.getWorkflow({}, { headers: headers as Record<string, string> });
      const { metadata } = upstream().calls.at(-1)!;
      assert.deepEqual([metadata.get("a"), metadata.get("sent-by")], ["1", "observer"]);
    });

  it("is called with the canonical name of each gRPC code", async () => {
    const codes = Object.values(Code).filter((code) => typeof code !== "string");
    const names: string[] = [];
    for (const code of codes) {
      upstream().rpcs.getWorkflow = () => {
        throw new ConnectError("refused", code);
      };
      const [, name = ""] = await seenDuring(() =>
        assert.rejects(observation().client.getWorkflow({}), ConnectError),
      );
      names.push(name);
    }
    // The first call ended with CANCELLED, which means that it was lost.
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

  it("is called with CANCELLED for a call and a stream that this side cancels, even before they begin", async () => {
    const { client } = observation();
    const left = new AbortController();
    void hang(upstream(), "getWorkflow").started.then(() => left.abort());
    const { signal } = left;
    const call = () => assert.rejects(client.getWorkflow({}, { signal }), { code: Code.Canceled });
    assert.deepEqual(await seenDuring(call), ["GetWorkflow", "CANCELLED"]);

    const stream = client.streamWorkflowEvents({}, { signal });
    const iterate = () =>
      assert.rejects(async () => stream[Symbol.asyncIterator]().next(), { code: Code.Canceled });
    assert.deepEqual(await seenDuring(iterate), ["StreamWorkflowEvents", "CANCELLED"]);
  });

  it("is called with the end of a stream after its last message was read", async () => {
    upstream().rpcs.streamWorkflowEvents = async function* () {
      yield Promise.resolve(workflowEvent(0n, JobState.RUNNING));
      yield stepEvent(1n);
    };
    const seen: unknown[] = [];
    const during = await seenDuring(async () => {
      for await (const { eventId } of observation().client.streamWorkflowEvents({})) {
        seen.push(eventId, observation().seen.at(-1));
      }
    });
    assert.deepEqual(during, ["StreamWorkflowEvents", "OK"]);
    assert.deepEqual(seen, [0n, "StreamWorkflowEvents", 1n, "StreamWorkflowEvents"]);
  });

  it("is called once with the code of a failed stream, although its iteration is left after that", async () => {
    upstream().rpcs.streamWorkflowEvents = async function* () {
      yield Promise.resolve(stepEvent(1n));
      throw new ConnectError("no more", Code.NotFound);
    };
    const events = observation().client.streamWorkflowEvents({})[Symbol.asyncIterator]();
    const during = await seenDuring(async () => {
      await events.next();
      await assert.rejects(events.next(), { code: Code.NotFound });
      await events.return?.();
    });
    assert.deepEqual(during, ["NOT_FOUND"]);
  });

  it("is called once with CANCELLED for a stream whose iteration is left, which ends it on the server", async () => {
    const hanging = hang(upstream(), "streamWorkflowEvents");
    const during = await seenDuring(async () => {
      const events = observation().client.streamWorkflowEvents({})[Symbol.asyncIterator]();
      const next = events.next();
      await hanging.started;
      await events.return?.();
      assert.equal((await next).done, true);
    });
    assert.deepEqual(during, ["StreamWorkflowEvents", "CANCELLED"]);
    await hanging.cancelled;
  });
});
