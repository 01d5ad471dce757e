import assert from "node:assert/strict";
import { get } from "node:http";
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  StreamWorkflowEventsRequestSchema,
  WorkflowEventSchema,
  WorkflowSchema,
} from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import { startEncodedUpstream } from "../support/encoded-upstream.ts";
import { adminToken, suite } from "../support/gateway.ts";
import { sendPath } from "../support/raw-http.ts";
import { stepEvent, workflowEvent, workflowIn } from "../support/samples.ts";
import { deferred } from "../support/stack.ts";
import { startMeasuredGateway } from "./measured-gateway.ts";
import { until } from "../support/until.ts";

const streams = 2000;
const streamsPerConnection = 100;
/** The number of concurrent requests, below the lowest concurrency limit of the gateway. */
const atOnce = 50;

const headers = { Authorization: `Bearer ${adminToken}` };
const workflow = toBinary(WorkflowSchema, workflowIn(JobState.RUNNING));
const snapshot = toBinary(WorkflowEventSchema, workflowEvent(0n, JobState.RUNNING));
const event = toBinary(WorkflowEventSchema, stepEvent(5n));

/** An orchestrator that allows so many streams per connection and no more, and sends one event to all at once. */
async function startStrictOrchestrator() {
  let followers = 0;
  const release = deferred();
  const { url, sessions, close } = await startEncodedUpstream(
    {
      GetWorkflow: () => [workflow],
      async *StreamWorkflowEvents(request, stream) {
        const closed = deferred();
        stream.once("close", closed.resolve);
        const { fromEventId } = fromBinary(StreamWorkflowEventsRequestSchema, request);
        if (fromEventId === 0n) yield snapshot;
        followers += 1;
        await Promise.race([release.promise, closed.promise]);
        yield event;
        await closed.promise;
      },
    },
    { maxConcurrentStreams: streamsPerConnection },
  );
  return {
    url,
    sessions,
    close,
    /** Resolves when so many clients follow. */
    async followers(count: number) {
      await until(() => followers >= count);
    },
    sendEvent: release.resolve,
  };
}

/** A client of an event stream, as light as can be. */
function follow(url: string) {
  const [received, continued] = [deferred(), deferred()];
  const request = get(`${url}/v1/workflows/w1/events`, { headers, agent: false }, (response) => {
    let text = "";
    if (response.statusCode !== 200) request.destroy(new Error(`status ${response.statusCode}`));
    response.setEncoding("utf8").on("data", (part: string) => {
      text += part;
      if (text.includes("event: workflow_update\n")) received.resolve();
      if (text.includes("id: 5\n")) continued.resolve();
    });
    response.on("error", () => undefined);
  });
  request.on("error", (error) => {
    received.reject(error);
    continued.reject(error);
  });
  continued.promise.catch(() => undefined);
  return { snapshot: received.promise, event: continued.promise, leave: () => request.destroy() };
}

describe(`${streams} event streams, ${streamsPerConnection} per connection`, () => {
  const orchestrator = suite(startStrictOrchestrator);
  const gateway = suite(() =>
    startMeasuredGateway({
      ORCHESTRATOR_ENDPOINT: orchestrator().url,
      // The interval in which unused connections are looked for.
      ORCHESTRATOR_KEEPALIVE_TIME_SECONDS: "20",
      ORCHESTRATOR_KEEPALIVE_TIMEOUT_SECONDS: "20",
      ORCHESTRATOR_STREAM_KEEPALIVE_TIME_SECONDS: "0.2",
      ORCHESTRATOR_STREAM_KEEPALIVE_TIMEOUT_SECONDS: "20",
    }),
  );

  it("are all live while calls succeed; afterwards their connections are closed", async () => {
    const { url, memory } = gateway();
    const call = async () => assert.equal((await sendPath(url, "/v1/workflows/w1", { headers })).status, 200);
    const all: ReturnType<typeof follow>[] = [];
    async function followMore() {
      const more = Array.from({ length: atOnce }, () => follow(url));
      await Promise.all([call(), ...more.map(({ snapshot }) => snapshot)]);
      all.push(...more);
    }
    await followMore();
    // What a process takes once and never gives back is not theirs.
    const before = await memory();
    while (all.length < streams) await followMore();
    await orchestrator().followers(streams);

    const { sessions } = orchestrator();
    const most = [...sessions.values()].map((counts) => counts.most);
    assert.ok(Math.max(...most) <= streamsPerConnection, most.join());
    // One for the calls too.
    assert.equal(sessions.size, streams / streamsPerConnection + 1);
    await Promise.all(Array.from({ length: atOnce }, call));

    orchestrator().sendEvent();
    await Promise.all([call(), ...all.map(({ event }) => event)]);
    const grownMiB = ((await memory()).resident - before.resident) / 1024 / 1024;
    assert.ok(grownMiB < 200, `${grownMiB} MiB`);

    for (const { leave } of all) leave();
    // Of each kind of connection one is kept.
    await until(() => sessions.size <= 2);
    await call();
  });
});
