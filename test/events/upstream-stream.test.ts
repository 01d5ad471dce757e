import assert from "node:assert/strict";
import { once } from "node:events";
import { Readable } from "node:stream";
import { Code, ConnectError, createContextValues } from "@connectrpc/connect";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import type { WorkflowEvent } from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import { openUpstreamStream, UpstreamEvent, UpstreamStream } from "../../src/events/upstream-stream.ts";
import { EncodedMessage } from "../../src/grpc/index.ts";
import { suite } from "../support/gateway.ts";
import { encodedClientSuite } from "../support/orchestrator.ts";
import { stepEvent, workflowEvent } from "../support/samples.ts";
import { eventMessage } from "../support/scripted-upstream.ts";
import { startUpstream } from "../support/upstream.ts";

describe("openUpstreamStream", () => {
  const upstream = suite(startUpstream);
  const client = encodedClientSuite(upstream);

  function open(fromEventId: bigint, signal = new AbortController().signal) {
    const headers = { "ff-principal": "alice" };
    const call = { signal, timeoutMs: 5000, headers, contextValues: createContextValues() };
    return openUpstreamStream(client(), "w1", fromEventId, call);
  }

  /** The upstream sends these events and stays open; resolves when the stream is cancelled. */
  function endless(...events: WorkflowEvent[]): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    upstream().rpcs.streamWorkflowEvents = async function* (_request, { signal }) {
      yield* events;
      await once(signal, "abort");
      resolve(undefined);
    };
    return promise;
  }

  it("streams the events of the workflow after an id, as the caller and without a deadline", async () => {
    const requests: unknown[] = [];
    upstream().rpcs.streamWorkflowEvents = ({ workflowId, fromEventId }, { timeoutMs }) => {
      requests.push([workflowId, fromEventId, timeoutMs()]);
      return Readable.from([workflowEvent(8n, JobState.RUNNING), stepEvent(9n)]);
    };
    await using stream = open(7n);
    assert.deepEqual([stream.fromEventId, stream.eventCount], [7n, 0]);
    using first = await stream.next();
    assert.deepEqual([first?.eventId, first?.update?.state], [8n, JobState.RUNNING]);
    using second = await stream.next();
    assert.deepEqual([second?.eventId, second?.update], [9n, undefined]);
    assert.equal(await stream.next(), undefined);
    assert.equal(await stream.next(), undefined);
    assert.equal(stream.eventCount, 2);
    assert.deepEqual(requests, [["w1", 7n, undefined]]);
    assert.equal(upstream().calls.at(-1)?.metadata.get("ff-principal"), "alice");
  });

  it("cancels the call when it is disposed of, while an event is waited for and otherwise", async () => {
    for (const timeoutMs of [undefined, 1]) {
      const cancelled = endless(stepEvent(1n));
      {
        await using stream = open(0n);
        assert.equal((await stream.next())?.eventId, 1n);
        if (timeoutMs !== undefined) assert.equal(await stream.next(timeoutMs), undefined);
      }
      await cancelled;
    }
  });

  it("rejects with Canceled when the client leaves", async () => {
    const caller = new AbortController();
    void endless(stepEvent(1n));
    await using stream = open(0n, caller.signal);
    assert.equal((await stream.next())?.eventId, 1n);
    caller.abort();
    await assert.rejects(stream.next(), { code: Code.Canceled });
  });

  it("throws, and makes no call, for a client that has left", () => {
    const { length } = upstream().calls;
    assert.throws(() => open(0n, AbortSignal.abort()), { code: Code.Canceled });
    assert.equal(upstream().calls.length, length);
  });

  it("rejects with the error of the call", async () => {
    upstream().rpcs.streamWorkflowEvents = () => {
      throw new ConnectError("gone", Code.NotFound);
    };
    await using stream = open(0n);
    await assert.rejects(stream.next(), { code: Code.NotFound });
  });
});

describe("UpstreamStream", () => {
  /** Messages that arrive when the test delivers them. */
  function createMessages() {
    const waiters: PromiseWithResolvers<IteratorResult<EncodedMessage<WorkflowEvent>>>[] = [];
    return {
      requests: () => waiters.length,
      deliver: (message: EncodedMessage<WorkflowEvent>) =>
        waiters.at(-1)?.resolve({ done: false, value: message }),
      fail: (error: Error) => waiters.at(-1)?.reject(error),
      next() {
        const waiter = Promise.withResolvers<IteratorResult<EncodedMessage<WorkflowEvent>>>();
        waiters.push(waiter);
        return waiter.promise;
      },
    };
  }

  it("waits for the same event again after a timeout", async () => {
    const messages = createMessages();
    const stream = new UpstreamStream(0n, messages);
    assert.equal(await stream.next(1), undefined);
    assert.equal(await stream.next(0), undefined);
    messages.deliver(eventMessage(stepEvent(4n)));
    assert.equal((await stream.next(1000))?.eventId, 4n);
    assert.deepEqual([messages.requests(), stream.eventCount], [1, 1]);
  });

  it("takes an event that has arrived even when it does not wait", async () => {
    const messages = createMessages();
    const stream = new UpstreamStream(0n, messages);
    assert.equal(await stream.next(0), undefined);
    messages.deliver(eventMessage(stepEvent(4n)));
    assert.equal((await stream.next(0))?.eventId, 4n);
  });

  it("leaves no rejection unhandled after a timeout", async () => {
    const messages = createMessages();
    const stream = new UpstreamStream(0n, messages);
    assert.equal(await stream.next(1), undefined);
    messages.fail(new Error("lost"));
    await new Promise(setImmediate);
    await assert.rejects(stream.next(1000), /lost/);
  });

  it("disposes of a message that arrives after the stream is disposed of", async () => {
    const messages = createMessages();
    const message = eventMessage(stepEvent(1n));
    {
      await using stream = new UpstreamStream(0n, messages);
      assert.equal(await stream.next(1), undefined);
    }
    messages.deliver(message);
    await new Promise(setImmediate);
    assert.throws(() => message.bytes, /disposed/);
  });

  it("disposes of a message that is no event, and rejects", async () => {
    const message = new EncodedMessage<WorkflowEvent>(Uint8Array.of(0xff));
    {
      const messages = createMessages();
      await using stream = new UpstreamStream(0n, messages);
      const next = stream.next();
      messages.deliver(message);
      await assert.rejects(next);
    }
    await new Promise(setImmediate);
    assert.throws(() => message.bytes, /disposed/);
  });
});

describe("UpstreamEvent", () => {
  it("keeps nothing of its message once it is disposed of", () => {
    const message = eventMessage(workflowEvent(3n, JobState.FAILED));
    const event = new UpstreamEvent(message);
    assert.equal(event.bytes, message.bytes);
    event[Symbol.dispose]();
    assert.throws(() => message.bytes, /disposed/);
    assert.deepEqual([event.eventId, event.update?.state], [3n, JobState.FAILED]);
  });
});
