import assert from "node:assert/strict";
import { Code, ConnectError } from "@connectrpc/connect";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import { startSandbox } from "../../src/sandbox/start-sandbox.ts";
import { readEvents } from "../support/event-reader.ts";
import type { EventReader } from "../support/event-reader.ts";
import { startTestGateway, suite } from "../support/gateway.ts";
import type { TestGateway } from "../support/gateway.ts";
import { hang } from "../support/hang.ts";
import { jsonPost, oneStep, workflowEvent, workflowIn } from "../support/samples.ts";
import { sandboxSettings, settingsFor } from "../support/sandbox.ts";
import { whenAborted, deferred, startStack } from "../support/stack.ts";

const ttlMs = 30_000;
const staleMs = 60_000;
const cacheSettings = {
  API_KEYS_ENABLED: "true",
  AUTH_CACHE_TTL_SECONDS: "30",
  AUTH_CACHE_STALE_IF_ERROR_SECONDS: "60",
};
const streamIntervals = { checkMs: 5, heartbeatMs: 20 };

/** Follows a workflow up to its first event; `leave` ends that. */
async function follow(gateway: TestGateway, token: string, id: string) {
  const leaving = new AbortController();
  const response = await gateway.fetch(`/v1/workflows/${id}/events`, { token, signal: leaving.signal });
  assert.equal(response.status, 200);
  const reader = readEvents(response);
  await reader.next();
  return { reader, leave: () => leaving.abort() };
}

/** Sees several heartbeats, and with each of them some checks of the key, go by. */
const goesOn = (reader: EventReader) => reader.received(`${reader.text}:\n:\n:\n`);

describe("a revoked API key", () => {
  let time = 1;
  const sandbox = suite(() => startSandbox({ ...sandboxSettings, stepSeconds: 3600 }));
  const gateway = suite(() =>
    startTestGateway(
      { ...settingsFor(sandbox()), ...cacheSettings },
      { now: () => time, streamIntervals: streamIntervals },
    ),
  );

  async function submit(token: string) {
    const response = await gateway().fetch("/v1/workflows", { ...jsonPost(oneStep), token });
    assert.equal(response.status, 201);
    return ((await response.json()) as { id: string }).id;
  }

  it("stops working within its TTL and a second, its open streams included, and disturbs no other key", async () => {
    const [alices, bobs] = [await submit("alice-key"), await submit("bob-key")];
    const streams = [
      await follow(gateway(), "alice-key", alices),
      await follow(gateway(), "alice-key", alices),
    ];
    const bob = await follow(gateway(), "bob-key", bobs);
    const status = async (token: string, id: string, init: RequestInit = {}) =>
      (await gateway().fetch(`/v1/workflows/${id}`, { ...init, token })).status;

    sandbox().apiKeys.revoke("alice-key");
    assert.equal(await status("alice-key", alices), 200);
    await Promise.all(streams.map(({ reader }) => goesOn(reader)));

    time += ttlMs + 1000;
    const endings = Promise.all(streams.map(({ reader }) => reader.ended));
    assert.equal(await status("alice-key", alices), 401);
    assert.equal(await status("alice-key", alices, { method: "DELETE" }), 401);
    assert.deepEqual(await endings, ["broken", "broken"]);
    const again = await gateway().fetch(`/v1/workflows/${alices}/events`, { token: "alice-key" });
    assert.equal(again.status, 401);

    assert.equal(await status("bob-key", bobs), 200);
    await goesOn(bob.reader);
    bob.leave();
  });
});

describe("an API key with AUTH_CACHE_TTL_SECONDS=0", () => {
  const sandbox = suite(() => startSandbox({ ...sandboxSettings, stepSeconds: 3600 }));
  const gateway = suite(() =>
    startTestGateway({ ...settingsFor(sandbox()), AUTH_CACHE_TTL_SECONDS: "0" }, { streamIntervals }),
  );
  const lookups = () => sandbox().calls.get("AuthenticateApiKey") ?? 0;

  async function read(token: string) {
    return (await gateway().fetch("/v1/workflows", { token })).status;
  }

  it("is looked up for each request, denied or not, one after another or at the same time", async () => {
    for (const [token, status] of [
      ["alice-key", 200],
      ["no-key", 401],
    ] as const) {
      const before = lookups();
      for (let time = 0; time < 3; time += 1) assert.equal(await read(token), status);
      const concurrent = await Promise.all(Array.from({ length: 5 }, () => read(token)));
      assert.deepEqual(concurrent, Array(5).fill(status));
      assert.equal(lookups() - before, 8);
    }
  });

  it("stops working with the next request when it is revoked, and its open streams are broken", async () => {
    const submitted = await gateway().fetch("/v1/workflows", { ...jsonPost(oneStep), token: "bob-key" });
    const { id } = (await submitted.json()) as { id: string };
    const { reader } = await follow(gateway(), "bob-key", id);
    await goesOn(reader);
    sandbox().apiKeys.revoke("bob-key");
    assert.equal(await read("bob-key"), 401);
    assert.equal(await reader.ended, "broken");
  });
});

describe("an open event stream, while its key cannot be looked up", () => {
  let time = 1;
  const stack = suite(() =>
    startStack(
      {
        getWorkflow: () => workflowIn(JobState.RUNNING),
        async *streamWorkflowEvents(_request, { signal }) {
          yield workflowEvent(0n, JobState.RUNNING);
          await whenAborted(signal);
        },
      },
      cacheSettings,
      { now: () => time, streamIntervals: streamIntervals },
    ),
  );

  function store(isAllowed: () => boolean) {
    stack().upstream.rpcs.authenticateApiKey = () => ({ allowed: isAllowed(), principal: "alice" });
  }

  const down = (): never => {
    throw new ConnectError("down", Code.Unavailable);
  };

  async function open(token: string) {
    store(() => true);
    return follow(stack().gateway, token, "w1");
  }

  it("goes on for the stale-if-error time after the TTL, and is aborted then", async () => {
    const { reader } = await open("key-a");
    store(down);
    for (const ms of [ttlMs + 1, 1000, staleMs - 1001]) {
      time += ms;
      await goesOn(reader);
    }
    time += 1;
    assert.equal(await reader.ended, "broken");
    assert.equal((await stack().gateway.fetch("/v1/workflows/w1/events", { token: "key-a" })).status, 503);
  });

  it("is aborted at the same time while a lookup hangs", async () => {
    const { reader } = await open("key-b");
    const lookup = hang(stack().upstream, "authenticateApiKey");
    let hangs = true;
    void lookup.cancelled.then(() => (hangs = false));
    time += ttlMs + 1;
    await lookup.started;
    time += staleMs - 1;
    await goesOn(reader);
    time += 1;
    assert.equal(await reader.ended, "broken");
    assert.ok(hangs);
  });

  it("is aborted, and new reads are 401, after a denial that takes long", async () => {
    const { reader } = await open("key-slow");
    const [begun, denial] = [deferred(), deferred()];
    stack().upstream.rpcs.authenticateApiKey = async () => {
      begun.resolve();
      await denial.promise;
      return { allowed: false };
    };
    const read = async () => (await stack().gateway.fetch("/v1/workflows/w1", { token: "key-slow" })).status;
    time += ttlMs + 1;
    const reads = [read()];
    await begun.promise;
    time += 5000;
    reads.push(read());
    await goesOn(reader);
    denial.resolve();
    assert.deepEqual(await Promise.all(reads), [401, 401]);
    assert.equal(await reader.ended, "broken");
  });

  it("is aborted as soon as a lookup denies the key", async () => {
    const { reader } = await open("key-c");
    store(down);
    time += ttlMs + 1;
    await goesOn(reader);
    store(() => false);
    time += 1000;
    assert.equal(await reader.ended, "broken");
  });

  it("goes on when the key can be looked up again and is allowed", async () => {
    const { reader, leave } = await open("key-d");
    store(down);
    time += ttlMs + staleMs;
    await goesOn(reader);
    store(() => true);
    time += 1000;
    await goesOn(reader);
    leave();
  });
});
