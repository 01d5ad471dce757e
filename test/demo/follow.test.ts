import assert from "node:assert/strict";
import type { ServerResponse } from "node:http";
import { createGatewayClient } from "../../src/demo/client.ts";
import { followWorkflow } from "../../src/demo/follow.ts";
import { sendJson, startHttp } from "./support.ts";
import { scaled } from "../support/machine.ts";

/** Responds to a request; `whenRead` calls `act` once the client has read this many more events. */
type Responder = (res: ServerResponse, whenRead: (events: number, act: () => void) => void) => void;

/** An event block of a workflow in `state`. */
function block(id: number, state = "RUNNING"): string {
  const data = JSON.stringify({ workflow_id: "w", workflow_update: { state }, at: "2026-01-05T09:00:00Z" });
  return `id: ${id}\nevent: workflow_update\ndata: ${data}\n\n`;
}

const eventStream = { "Content-Type": "text/event-stream" };

/** Breaks the connection once the client has read this many events, or at once when it is none. */
const broken =
  (text: string, events = 1): Responder =>
  (res, whenRead) => {
    res.writeHead(200, eventStream).write(text, () => events === 0 && res.destroy());
    whenRead(events, () => res.destroy());
  };
const endless =
  (text: string): Responder =>
  (res) =>
    res.writeHead(200, eventStream).write(text);
const whole =
  (text: string): Responder =>
  (res) =>
    res.writeHead(200, eventStream).end(text);
const errorResponse =
  (status: number, code: string, retryable: boolean, headers = {}): Responder =>
  (res) =>
    sendJson(res, status, { code, message: "why", retryable }, headers);

/** Follows a workflow of a gateway that uses one responder per request, then responds with 204. */
async function follow(...responders: Responder[]) {
  const resumed: (string | undefined)[] = [];
  const states: unknown[] = [];
  const acts = new Map<number, () => void>();
  await using service = await startHttp((req, res) => {
    resumed.push(req.headersDistinct["last-event-id"]?.[0]);
    const respond = responders.shift() ?? ((rest) => rest.writeHead(204).end());
    respond(res, (events, act) => acts.set(states.length + events, act));
  });
  const reasons: string[] = [];
  const client = createGatewayClient(service.url, "key");
  let failure: unknown;
  try {
    for await (const event of followWorkflow(client, "w", (reason) => reasons.push(reason))) {
      states.push(event.workflow_update?.state);
      acts.get(states.length)?.();
    }
  } catch (error) {
    failure = error;
  }
  return { resumed, states, reasons, failure };
}

const retry = "retry: 1\n";

describe("followWorkflow", () => {
  it("resumes after the last complete event of a broken connection", async () => {
    const { resumed, states, reasons, failure } = await follow(
      broken(retry + block(3)),
      broken(`${block(4)}id: 5\nevent: workflow_update\ndata: {"workfl`),
      whole(block(5) + block(6, "SUCCEEDED")),
    );
    assert.equal(failure, undefined);
    assert.deepEqual(resumed, [undefined, "3", "4"]);
    assert.deepEqual(states, ["RUNNING", "RUNNING", "RUNNING", "SUCCEEDED"]);
    assert.deepEqual(reasons, ["the connection broke", "the connection broke"]);
  });

  it("resumes when a stream ends cleanly before the terminal event, and stops at 204", async () => {
    const { resumed, states, failure } = await follow(whole(retry + block(3)));
    assert.equal(failure, undefined);
    assert.deepEqual(resumed, [undefined, "3"]);
    assert.deepEqual(states, ["RUNNING"]);
  });

  for (const state of ["SUCCEEDED", "FAILED", "CANCELLED"])
    it(`stops at ${state}, even when the stream goes on`, async () => {
      const { resumed, states } = await follow(endless(block(9, state)));
      assert.deepEqual([resumed.length, states], [1, [state]]);
    });

  it("repeats the request after Retry-After, rather than after `retry`, when the gateway cannot serve", async () => {
    const begin = performance.now();
    const busy = errorResponse(503, "UNAVAILABLE", true, { "Retry-After": "0" });
    const responders = Array.from({ length: 10 }, () => busy);
    const { resumed, states } = await follow(...responders, whole(block(1, "SUCCEEDED")));
    assert.deepEqual([resumed.length, states], [11, ["SUCCEEDED"]]);
    assert.ok(performance.now() - begin < scaled(5000));
  });

  it("keeps its resume point over events without an id and of unknown types", async () => {
    const news = 'event: news\ndata: "x"\n\n';
    const snapshot = block(0).replace("id: 0\n", "");
    const { resumed, states } = await follow(broken(retry + block(3) + news + snapshot, 2));
    assert.deepEqual(resumed, [undefined, "3"]);
    assert.deepEqual(states, ["RUNNING", "RUNNING"]);
  });

  for (const [what, respond, message] of [
    ["404", errorResponse(404, "NOT_FOUND", false), "the gateway responds with 404 NOT_FOUND: why"],
    [
      "a fatal error in the stream",
      whole('event: stream_error\ndata: {"code":"INTERNAL","message":"why","retryable":false}\n\n'),
      "the stream failed: INTERNAL: why",
    ],
  ] as const)
    it(`gives up at ${what}`, async () => {
      const { resumed, failure } = await follow(respond);
      assert.equal((failure as Error).message, message);
      assert.equal(resumed.length, 1);
    });

  it("resumes after a passing error in the stream", async () => {
    const error = 'event: stream_error\ndata: {"code":"UNAVAILABLE","message":"why","retryable":true}\n\n';
    const { resumed, failure } = await follow(endless(retry + block(3) + error));
    assert.deepEqual([resumed, failure], [[undefined, "3"], undefined]);
  });

  it("gives up after too many consecutive connections without an event", async () => {
    const nothing = Array.from({ length: 20 }, () => broken(retry, 0));
    const { resumed, reasons, failure } = await follow(broken(retry + block(3)), ...nothing);
    assert.equal((failure as Error).message, "the connection broke");
    assert.equal(resumed.length, 11);
    assert.equal(reasons.length, 1);
  });
});
