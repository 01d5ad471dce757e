import assert from "node:assert/strict";
import { Code, ConnectError } from "@connectrpc/connect";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import { readEvents } from "../support/event-reader.ts";
import { suite } from "../support/gateway.ts";
import { stepEvent, workflowEvent, workflowIn } from "../support/samples.ts";
import { whenAborted, deferred, startStack } from "../support/stack.ts";

const path = "/v1/workflows/w1/events";
const snapshot = workflowEvent(0n, JobState.RUNNING);
const retryPolicy = { maxRetries: 3, backoffMs: () => 0, idleTimeoutMs: 30 };

describe("GET /v1/workflows/{id}/events, when the upstream is lost", () => {
  const stack = suite(() =>
    startStack({ getWorkflow: () => workflowIn(JobState.RUNNING) }, {}, { retryPolicy }),
  );

  it("resumes from the last id, unseen by the client", async () => {
    const requested: bigint[] = [];
    const { upstream, gateway } = stack();
    upstream.rpcs.streamWorkflowEvents = async function* ({ fromEventId }, { signal }) {
      requested.push(fromEventId);
      if (fromEventId === 0n) {
        yield snapshot;
        yield stepEvent(5n);
        await whenAborted(signal);
      } else {
        yield stepEvent(6n);
        yield workflowEvent(7n, JobState.SUCCEEDED);
      }
    };
    const reader = readEvents(await gateway.fetch(path));
    await reader.next();
    await reader.next();
    upstream.dropConnections();
    assert.equal(await reader.ended, "clean");
    assert.deepEqual(requested.slice(0, 2), [0n, 5n]);
    assert.deepEqual(
      reader.events.map(({ id }) => id),
      [undefined, "5", "6", "7"],
    );
    assert.equal(reader.retries.length, 1);
  });

  it("resumes a stream that the upstream ends although the workflow is not finished", async () => {
    const requested: bigint[] = [];
    stack().upstream.rpcs.streamWorkflowEvents = async function* ({ fromEventId }) {
      requested.push(fromEventId);
      if (fromEventId < 5n) yield stepEvent(5n);
      else yield await Promise.resolve(workflowEvent(6n, JobState.SUCCEEDED));
    };
    const reader = readEvents(await stack().gateway.fetch(path, { headers: { "Last-Event-ID": "4" } }));
    assert.equal(await reader.ended, "clean");
    assert.deepEqual(
      reader.events.map(({ id }) => id),
      ["5", "6"],
    );
    assert.deepEqual(requested.slice(0, 2), [4n, 5n]);
  });

  it("sends no event twice when the upstream repeats itself", async () => {
    let opened = 0;
    stack().upstream.rpcs.streamWorkflowEvents = async function* () {
      opened += 1;
      yield await Promise.resolve(snapshot);
      yield stepEvent(5n);
      if (opened > 1) yield workflowEvent(6n, JobState.SUCCEEDED);
    };
    const reader = readEvents(await stack().gateway.fetch(path));
    assert.equal(await reader.ended, "clean");
    assert.deepEqual(
      reader.events.map(({ id }) => id),
      [undefined, "5", "6"],
    );
  });

  it("destroys the connection without an event after the last retry", async () => {
    let opened = 0;
    stack().upstream.rpcs.streamWorkflowEvents = async function* () {
      opened += 1;
      if (opened === 1) yield await Promise.resolve(stepEvent(5n));
      throw new ConnectError("down", Code.Unavailable);
    };
    const reader = readEvents(await stack().gateway.fetch(path));
    assert.equal(await reader.ended, "broken");
    assert.deepEqual(
      reader.events.map(({ event }) => event),
      ["step_update"],
    );
    assert.ok(opened > retryPolicy.maxRetries);
  });
});

describe("GET /v1/workflows/{id}/events, over time", () => {
  let time = 1;
  let allowed = true;
  let lookups = deferred();
  const stack = suite(() =>
    startStack(
      {
        authenticateApiKey() {
          lookups.resolve();
          return { allowed, principal: "alice" };
        },
        async *streamWorkflowEvents(_request, { signal }) {
          yield snapshot;
          await whenAborted(signal);
        },
      },
      { API_KEYS_ENABLED: "true", AUTH_CACHE_TTL_SECONDS: "30" },
      { now: () => time, streamIntervals: { checkMs: 5, heartbeatMs: 20 }, retryPolicy },
    ),
  );

  /** Follows with an API key, up to the snapshot. */
  async function follow() {
    const leaving = new AbortController();
    const { gateway } = stack();
    const reader = readEvents(await gateway.fetch(path, { token: "a-key", signal: leaving.signal }));
    await reader.next();
    return { reader, disconnect: () => leaving.abort() };
  }

  it("sends heartbeats without events: a comment line without a blank line", async () => {
    const { reader, disconnect } = await follow();
    await reader.received("\n\n:\n:\n:\n");
    assert.equal(reader.events.length, 1);
    assert.ok(reader.text.endsWith(":\n"));
    assert.ok(!reader.text.includes(":\n\n"));
    disconnect();
  });

  it("revalidates the key after its TTL, and goes on while it is allowed", async () => {
    const { reader, disconnect } = await follow();
    lookups = deferred();
    time += 30_001;
    await lookups.promise;
    const { length } = reader.text;
    await reader.received(`${reader.text.slice(0, length)}:\n`);
    disconnect();
  });

  it("destroys the connection at most a TTL after the key is revoked", async () => {
    const { reader } = await follow();
    allowed = false;
    lookups = deferred();
    time += 30_001;
    await lookups.promise;
    assert.equal(await reader.ended, "broken");
    assert.equal(reader.events.length, 1);
    allowed = true;
    time += 30_001;
  });

  it("goes on while the key cannot be looked up", async () => {
    const { reader, disconnect } = await follow();
    const { authenticateApiKey } = stack().upstream.rpcs;
    const failed = deferred();
    stack().upstream.rpcs.authenticateApiKey = () => {
      failed.resolve();
      throw new ConnectError("down", Code.Unavailable);
    };
    time += 30_001;
    await failed.promise;
    await reader.received(`${reader.text}:\n:\n`);
    disconnect();
    if (authenticateApiKey !== undefined) stack().upstream.rpcs.authenticateApiKey = authenticateApiKey;
  });
});
