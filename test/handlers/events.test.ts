import assert from "node:assert/strict";
import { Code, ConnectError } from "@connectrpc/connect";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import type { WorkflowEvent } from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import { readEvents } from "../support/event-reader.ts";
import { adminToken, suite } from "../support/gateway.ts";
import { sendText } from "../support/raw-http.ts";
import { runningJson, stepEvent, workflowEvent, workflowIn } from "../support/samples.ts";
import { whenAborted, deferred, startStack } from "../support/stack.ts";

const path = "/v1/workflows/w1/events";
const snapshot = workflowEvent(0n, JobState.RUNNING);
const success = workflowEvent(9n, JobState.SUCCEEDED);

describe("GET /v1/workflows/{id}/events", () => {
  const stack = suite(() =>
    startStack({}, {}, { retryPolicy: { maxRetries: 2, backoffMs: () => 0, idleTimeoutMs: 30 } }),
  );

  /** Each stream of the upstream: these events, then its end. Returns the ids that streams are opened from. */
  function streams(...events: WorkflowEvent[]): bigint[] {
    const openedFrom: bigint[] = [];
    stack().upstream.rpcs.streamWorkflowEvents = async function* ({ fromEventId }) {
      openedFrom.push(fromEventId);
      yield* await Promise.resolve(events.filter(({ eventId }) => eventId === 0n || eventId > fromEventId));
    };
    return openedFrom;
  }

  const follow = (headers: Record<string, string> = {}) => stack().gateway.fetch(path, { headers });

  it("sends exactly these headers", async () => {
    streams(snapshot, success);
    const response = await follow({ "Accept-Encoding": "gzip, br" });
    assert.equal(response.status, 200);
    const { date, ...headers } = Object.fromEntries(response.headers);
    assert.ok(date);
    assert.deepEqual(headers, {
      "content-type": "text/event-stream",
      "cache-control": "no-store, no-transform",
      "x-accel-buffering": "no",
      "content-security-policy": "default-src 'none';frame-ancestors 'none'",
      "cross-origin-resource-policy": "same-origin",
      "referrer-policy": "no-referrer",
      "x-content-type-options": "nosniff",
      "x-request-id": headers["x-request-id"],
      connection: "keep-alive",
      "keep-alive": headers["keep-alive"],
      "transfer-encoding": "chunked",
    });
    await response.text();
  });

  it("sends one block per event: no id for the snapshot, retry once, data on one line", async () => {
    streams(snapshot, stepEvent(8n, 0.3), success);
    const text = await (await follow()).text();
    const blocks = text.split("\n\n").map((block) => block.split("\n"));
    assert.deepEqual(
      blocks.map((lines) => lines.map((line) => line.replace(/^(data: |retry: ).*/, "$1"))),
      [
        ["retry: ", "event: workflow_update", "data: "],
        ["id: 8", "event: step_update", "data: "],
        ["id: 9", "event: workflow_update", "data: "],
        [""],
      ],
    );
    const data = blocks.slice(0, 3).map((lines) => JSON.parse(lines.at(-1)!.slice("data: ".length)));
    assert.deepEqual(data[0], {
      workflow_id: "w1",
      workflow_update: runningJson,
      at: runningJson.created_at,
    });
    assert.deepEqual(data[1], {
      workflow_id: "w1",
      step_update: { step_id: "a", state: "RUNNING", fraction: 0.3, outputs: [], sequences: [] },
      at: runningJson.created_at,
    });
    assert.equal(data[2].workflow_update.state, "SUCCEEDED");
  });

  for (const state of [JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED]) {
    it(`ends cleanly after ${JobState[state]}, even while the upstream stays open`, async () => {
      stack().upstream.rpcs.streamWorkflowEvents = async function* (_request, { signal }) {
        yield snapshot;
        yield workflowEvent(9n, state);
        await whenAborted(signal);
      };
      const reader = readEvents(await follow());
      assert.equal(await reader.ended, "clean");
      assert.equal(reader.events.at(-1)?.id, "9");
      assert.equal(reader.retries.length, 1);
    });
  }

  it("sends events as they come, each before the next is there", async () => {
    const more = deferred();
    stack().upstream.rpcs.streamWorkflowEvents = async function* () {
      yield snapshot;
      await more.promise;
      yield success;
    };
    const reader = readEvents(await follow());
    assert.equal((await reader.next()).event, "workflow_update");
    more.resolve();
    assert.equal((await reader.next()).id, "9");
  });

  it("resumes after lastEventId in the query, unless there is a Last-Event-ID", async () => {
    const openedFrom = streams(stepEvent(8n), success);
    stack().upstream.rpcs.getWorkflow = () => workflowIn(JobState.RUNNING);
    await (await stack().gateway.fetch(`${path}?lastEventId=7`)).text();
    await (
      await stack().gateway.fetch(`${path}?lastEventId=7`, { headers: { "Last-Event-ID": "8" } })
    ).text();
    assert.deepEqual([openedFrom[0], openedFrom.at(-1)], [7n, 8n]);
  });

  it("resumes after Last-Event-ID", async () => {
    const openedFrom = streams(stepEvent(7n), stepEvent(8n), success);
    stack().upstream.rpcs.getWorkflow = () => workflowIn(JobState.RUNNING);
    const reader = readEvents(await follow({ "Last-Event-ID": "7" }));
    assert.equal(await reader.ended, "clean");
    assert.equal(openedFrom[0], 7n);
    assert.deepEqual(
      reader.events.map(({ id }) => id),
      ["8", "9"],
    );
  });

  it("resumes after the largest id there can be", async () => {
    const openedFrom = streams(success);
    stack().upstream.rpcs.getWorkflow = () => workflowIn(JobState.SUCCEEDED);
    const response = await follow({ "Last-Event-ID": "18446744073709551615" });
    assert.equal(response.status, 204);
    assert.equal(openedFrom[0], 18446744073709551615n);
  });

  for (const id of ["-1", "1.5", "abc", "0x1", "1e3", "18446744073709551616", "999999999999999999999", ""]) {
    it(`returns 400 for ${JSON.stringify(id)} as lastEventId in the query`, async () => {
      const response = await stack().gateway.fetch(`${path}?lastEventId=${encodeURIComponent(id)}`);
      assert.equal(response.status, 400);
      const { details } = (await response.json()) as { details: { path: string }[] };
      assert.ok(details.every((detail) => detail.path === "/query/lastEventId"));
    });

    it(`returns 400 for ${JSON.stringify(id)} as Last-Event-ID`, async () => {
      const response = await follow({ "Last-Event-ID": id });
      const { details } = (await response.json()) as { details: { path: string }[] };
      assert.equal(response.status, 400);
      assert.equal(details[0]?.path, "/headers/last-event-id");
    });
  }

  it("returns 204 to a resume when nothing more will come", async () => {
    streams(success);
    stack().upstream.rpcs.getWorkflow = () => workflowIn(JobState.SUCCEEDED);
    const response = await follow({ "Last-Event-ID": "9" });
    assert.equal(response.status, 204);
    assert.equal(await response.text(), "");
  });

  it("gives a finished workflow's snapshot an id with which the reconnect ends in 204", async () => {
    stack().upstream.rpcs.getWorkflow = () => workflowIn(JobState.FAILED);
    stack().upstream.rpcs.streamWorkflowEvents = async function* ({ fromEventId }) {
      if (fromEventId === 0n) yield workflowEvent(0n, JobState.FAILED);
      else if (fromEventId < 9n) yield await Promise.resolve(workflowEvent(9n, JobState.FAILED));
    };
    const reader = readEvents(await follow());
    assert.equal(await reader.ended, "clean");
    assert.equal(reader.events.length, 1);
    const { id = "", data } = reader.events[0]!;
    assert.equal(JSON.parse(data).workflow_update.state, "FAILED");
    assert.equal((await follow({ "Last-Event-ID": id })).status, 204);
  });

  const early = [
    [Code.NotFound, 404],
    [Code.PermissionDenied, 403],
    [Code.Unavailable, 503],
  ] as const;
  for (const [code, status] of early) {
    it(`returns ${status} for ${Code[code]} before the first event`, async () => {
      stack().upstream.rpcs.streamWorkflowEvents = () => {
        throw new ConnectError("no", code);
      };
      const response = await follow();
      assert.equal(response.status, status);
      assert.match(String(response.headers.get("content-type")), /^application\/json/);
      assert.equal(
        ((await response.json()) as { code: string }).code,
        Code[code].replace(/(?!^)([A-Z])/g, "_$1").toUpperCase(),
      );
    });
  }

  it("sends the headers after a second without events, and the first event when it is received", async () => {
    const first = deferred();
    stack().upstream.rpcs.streamWorkflowEvents = async function* () {
      await first.promise;
      yield snapshot;
      yield success;
    };
    const startedAt = performance.now();
    const response = await follow();
    assert.ok(performance.now() - startedAt > 900);
    assert.equal(response.status, 200);
    const reader = readEvents(response);
    first.resolve();
    assert.equal((await reader.next()).event, "workflow_update");
    assert.equal(await reader.ended, "clean");
  });

  it("sends a fatal error after the headers as stream_error, and destroys the connection", async () => {
    const fail = deferred();
    stack().upstream.rpcs.streamWorkflowEvents = async function* () {
      yield snapshot;
      await fail.promise;
      throw new ConnectError("secret of the upstream", Code.Internal);
    };
    const reader = readEvents(await follow());
    await reader.next();
    fail.resolve();
    const last = await reader.next();
    assert.equal(await reader.ended, "broken");
    assert.equal(last.event, "stream_error");
    const { trace_id, ...body } = JSON.parse(last.data);
    assert.deepEqual(body, { code: "INTERNAL", message: "internal server error", retryable: false });
    assert.match(trace_id, /^[0-9a-f]{32}$/);
    assert.ok(!reader.text.includes("secret"));
    assert.ok(
      stack().gateway.logs.some((line) => line.trace_id === trace_id && line.event === "request.failed"),
    );
  });

  it("sends the orchestrator's message of a 4xx after the headers", async () => {
    stack().upstream.rpcs.streamWorkflowEvents = async function* () {
      yield snapshot;
      await Promise.resolve();
      throw new ConnectError("gone meanwhile", Code.NotFound);
    };
    const reader = readEvents(await follow());
    assert.equal(await reader.ended, "broken");
    const { event, data } = reader.events.at(-1)!;
    assert.equal(event, "stream_error");
    assert.equal(JSON.parse(data).message, "gone meanwhile");
  });

  it("cancels the upstream stream when the client disconnects", async () => {
    const over = deferred();
    stack().upstream.rpcs.streamWorkflowEvents = async function* (_request, { signal }) {
      yield snapshot;
      await whenAborted(signal);
      over.resolve();
    };
    const leaving = new AbortController();
    const response = await stack().gateway.fetch(path, { signal: leaving.signal });
    const reader = readEvents(response);
    await reader.next();
    leaving.abort();
    await over.promise;
  });

  it("returns 405 for HEAD, since the stream has no end", async () => {
    const text = await sendText(
      stack().gateway.url,
      `HEAD ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${adminToken}\r\nConnection: close\r\n\r\n`,
    );
    assert.match(text, /^HTTP\/1\.1 405 /);
    assert.match(text, /^Allow: GET\r$/m);
  });
});
