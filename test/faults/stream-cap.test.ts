import assert from "node:assert/strict";
import { Code, ConnectError } from "@connectrpc/connect";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import { readEvents } from "../support/event-reader.ts";
import { suite } from "../support/gateway.ts";
import { stepEvent, workflowEvent, workflowIn } from "../support/samples.ts";
import { whenAborted, callsDuring, deferred, startStack } from "../support/stack.ts";

const path = "/v1/workflows/w1/events";
const retryPolicy = { maxRetries: 1, backoffMs: () => 0, idleTimeoutMs: 30 };
const maxStreams = 3;

describe(`a gateway with MAX_EVENT_STREAMS=${maxStreams}`, () => {
  let time = 1;
  let allowed = true;
  const stack = suite(() =>
    startStack(
      { authenticateApiKey: () => ({ allowed, principal: "alice" }) },
      { MAX_EVENT_STREAMS: String(maxStreams), API_KEYS_ENABLED: "true", AUTH_CACHE_TTL_SECONDS: "30" },
      { now: () => time, streamIntervals: { checkMs: 5, heartbeatMs: 3_600_000 }, retryPolicy },
    ),
  );

  /** Each stream of the upstream begins as `first` says, and ends as `then` does. */
  function streams(first: "event" | "silence" | "nothing", then: (aborted: AbortSignal) => Promise<void>) {
    const { upstream } = stack();
    upstream.rpcs.getWorkflow = () => workflowIn(JobState.RUNNING);
    upstream.rpcs.streamWorkflowEvents = async function* (_request, { signal }) {
      if (first === "event") yield stepEvent(5n);
      await then(signal);
      if (first === "silence") yield stepEvent(5n);
    };
  }

  const staysOpen = (aborted: AbortSignal) => whenAborted(aborted);
  const fetchEvents = (init: RequestInit & { token?: string } = {}) => stack().gateway.fetch(path, init);

  /** A stream that has sent its first event. */
  async function open(token?: string) {
    const leaving = new AbortController();
    const response = await fetchEvents({ signal: leaving.signal, ...(token === undefined ? {} : { token }) });
    assert.equal(response.status, 200);
    const reader = readEvents(response);
    await reader.next();
    return { reader, leave: () => leaving.abort() };
  }

  /** Opens as many streams as there may be; `leave` closes them. */
  async function fill() {
    const gone: Promise<void>[] = [];
    streams("event", async (aborted) => {
      const over = deferred();
      gone.push(over.promise);
      await whenAborted(aborted);
      over.resolve();
    });
    const all: Awaited<ReturnType<typeof open>>[] = [];
    for (let i = 0; i < maxStreams; i++) all.push(await open());
    return async function leave() {
      for (const { leave } of all) leave();
      await Promise.all(gone);
    };
  }

  it("returns 503 for one more, before it makes any call", async () => {
    const leave = await fill();
    const calls = await callsDuring(stack().upstream, async () => {
      for (const headers of [{}, { "Last-Event-ID": "5" }] as const) {
        const rejected = await fetchEvents({ headers });
        const { trace_id, ...body } = (await rejected.json()) as Record<string, unknown>;
        assert.ok(trace_id);
        assert.equal(rejected.status, 503);
        assert.match(String(rejected.headers.get("content-type")), /^application\/json/);
        assert.match(String(rejected.headers.get("retry-after")), /^[1-9][0-9]*$/);
        assert.deepEqual(body, {
          code: "UNAVAILABLE",
          message: "too many event streams are open; try again later",
          retryable: true,
        });
      }
    });
    assert.deepEqual(calls, []);
    await leave();
  });

  it("goes on to serve other requests, and the streams that are open", async () => {
    const more = deferred();
    streams("event", () => more.promise);
    const all: Awaited<ReturnType<typeof open>>[] = [];
    for (let i = 0; i < maxStreams; i++) all.push(await open());
    assert.equal((await fetchEvents()).status, 503);
    assert.equal((await stack().gateway.fetch("/v1/workflows/w1")).status, 200);
    stack().upstream.rpcs.streamWorkflowEvents = async function* () {
      yield await Promise.resolve(workflowEvent(9n, JobState.SUCCEEDED));
    };
    more.resolve();
    for (const { reader } of all) assert.equal(await reader.ended, "clean");
  });

  it("returns 401, not 503, to the unauthenticated", async () => {
    const leave = await fill();
    allowed = false;
    assert.equal((await fetchEvents({ token: "junk" })).status, 401);
    allowed = true;
    await leave();
  });

  const endings: [what: string, act: () => Promise<void>][] = [
    [
      "its client leaves",
      async () => {
        const over = deferred();
        streams("event", (aborted) => whenAborted(aborted).then(over.resolve));
        (await open()).leave();
        await over.promise;
      },
    ],
    [
      "its client leaves before there is anything to send",
      async () => {
        const [begun, over] = [deferred(), deferred()];
        streams("silence", (aborted) => {
          begun.resolve();
          return whenAborted(aborted).then(over.resolve);
        });
        const leaving = new AbortController();
        const response = fetchEvents({ signal: leaving.signal });
        await begun.promise;
        leaving.abort();
        await assert.rejects(response);
        await over.promise;
      },
    ],
    [
      "the workflow is finished",
      async () => {
        stack().upstream.rpcs.streamWorkflowEvents = async function* () {
          yield await Promise.resolve(workflowEvent(9n, JobState.SUCCEEDED));
        };
        assert.equal(await readEvents(await fetchEvents()).ended, "clean");
      },
    ],
    [
      "there is nothing more to come",
      async () => {
        stack().upstream.rpcs.getWorkflow = () => workflowIn(JobState.SUCCEEDED);
        stack().upstream.rpcs.streamWorkflowEvents = async function* ({ fromEventId }) {
          if (fromEventId < 9n) yield await Promise.resolve(workflowEvent(9n, JobState.SUCCEEDED));
        };
        assert.equal((await fetchEvents({ headers: { "Last-Event-ID": "9" } })).status, 204);
      },
    ],
    ...([Code.NotFound, Code.PermissionDenied, Code.Unavailable, Code.Internal] as const).map(
      (code): [string, () => Promise<void>] => [
        `the upstream returns ${Code[code]}`,
        async () => {
          streams("nothing", () => Promise.reject(new ConnectError("no", code)));
          assert.ok((await fetchEvents()).status >= 400);
        },
      ],
    ),
    ...([Code.NotFound, Code.Unavailable, Code.Internal] as const).map(
      (code): [string, () => Promise<void>] => [
        `the upstream fails with ${Code[code]} after an event`,
        async () => {
          streams("event", () => Promise.reject(new ConnectError("no", code)));
          assert.equal(await readEvents(await fetchEvents()).ended, "broken");
        },
      ],
    ),
    [
      "its key is revoked",
      async () => {
        streams("event", staysOpen);
        const { reader } = await open("a-key");
        allowed = false;
        time += 30_001;
        assert.equal(await reader.ended, "broken");
        allowed = true;
        time += 30_001;
      },
    ],
  ];

  for (const [what, act] of endings) {
    it(`opens another stream after one when ${what}`, async () => {
      for (let i = 0; i <= maxStreams; i++) await act();
      const leave = await fill();
      assert.equal((await fetchEvents()).status, 503);
      await leave();
    });
  }
});
