import assert from "node:assert/strict";
import { get } from "node:http";
import type { ClientRequest } from "node:http";
import { createServer } from "node:http2";
import type { Http2Session } from "node:http2";
import type { AddressInfo } from "node:net";
import { once } from "node:events";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { OrchestratorService } from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import { adminToken, startTestGateway, suite } from "../support/gateway.ts";
import { stepEvent, workflowEvent, workflowIn } from "../support/samples.ts";
import { whenAborted } from "../support/stack.ts";
import { until } from "../support/until.ts";

const streams = 500;
const streamsPerConnection = 25;
/** The number of concurrent requests, below the lowest concurrency limit of the gateway. */
const atOnce = 50;

/** An orchestrator that allows so many streams per connection and no more, and sends one event to all at once. */
async function startStrictOrchestrator() {
  const sessions = new Map<Http2Session, { now: number; most: number }>();
  let followers = 0;
  let release = Promise.withResolvers<undefined>();
  const handler = connectNodeAdapter({
    connect: false,
    grpcWeb: false,
    routes: (router) =>
      router.service(OrchestratorService, {
        getWorkflow: () => workflowIn(JobState.RUNNING),
        async *streamWorkflowEvents({ fromEventId }, { signal }) {
          if (fromEventId === 0n) yield workflowEvent(0n, JobState.RUNNING);
          followers += 1;
          await Promise.race([release.promise, whenAborted(signal)]);
          followers -= 1;
          if (signal.aborted) return;
          yield stepEvent(5n);
          await whenAborted(signal);
        },
      }),
  });
  const server = createServer({ settings: { maxConcurrentStreams: streamsPerConnection } }, handler);
  server.on("session", (session) => {
    const counts = { now: 0, most: 0 };
    sessions.set(session, counts);
    session.on("stream", (stream) => {
      counts.most = Math.max(counts.most, (counts.now += 1));
      stream.once("close", () => (counts.now -= 1));
    });
    session.once("close", () => sessions.delete(session));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    sessions,
    get followers() {
      return followers;
    },
    sendEvent() {
      release.resolve(undefined);
      release = Promise.withResolvers();
    },
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const session of sessions.keys()) session.destroy();
      await closed;
    },
  };
}

/** A client of an event stream, as light as can be. */
function follow(url: string) {
  const headers = { Authorization: `Bearer ${adminToken}` };
  const [snapshot, event] = [Promise.withResolvers<undefined>(), Promise.withResolvers<undefined>()];
  const request: ClientRequest = get(
    `${url}/v1/workflows/w1/events`,
    { headers, agent: false },
    (response) => {
      let text = "";
      if (response.statusCode !== 200) request.destroy(new Error(`status ${response.statusCode}`));
      response.setEncoding("utf8").on("data", (part: string) => {
        text += part;
        if (text.includes("event: workflow_update\n")) snapshot.resolve(undefined);
        if (text.includes("id: 5\n")) event.resolve(undefined);
      });
      response.on("error", () => undefined);
    },
  );
  request.on("error", (error) => {
    snapshot.reject(error);
    event.reject(error);
  });
  event.promise.catch(() => undefined);
  return { snapshot: snapshot.promise, event: event.promise, leave: () => request.destroy() };
}

describe(`${streams} event streams, ${streamsPerConnection} per connection`, () => {
  const orchestrator = suite(startStrictOrchestrator);
  const gateway = suite(() =>
    startTestGateway({
      ORCHESTRATOR_ENDPOINT: orchestrator().url,
      // The interval in which unused connections are looked for.
      ORCHESTRATOR_KEEPALIVE_TIME_SECONDS: "20",
      ORCHESTRATOR_KEEPALIVE_TIMEOUT_SECONDS: "20",
      ORCHESTRATOR_STREAM_KEEPALIVE_TIME_SECONDS: "0.2",
      ORCHESTRATOR_STREAM_KEEPALIVE_TIMEOUT_SECONDS: "20",
    }),
  );

  it("are all live while calls succeed; afterwards their connections are closed", async () => {
    const { url } = gateway();
    let before = 0;
    const call = async () => assert.equal((await gateway().fetch("/v1/workflows/w1")).status, 200);
    const all: ReturnType<typeof follow>[] = [];
    while (all.length < streams) {
      const more = Array.from({ length: atOnce }, () => follow(url));
      await Promise.all([call(), ...more.map(({ snapshot }) => snapshot)]);
      all.push(...more);
      // What a process takes once and never gives back is not theirs.
      if (all.length === atOnce) before = process.memoryUsage().rss;
    }
    await until(() => orchestrator().followers >= streams);

    const { sessions } = orchestrator();
    const most = [...sessions.values()].map((counts) => counts.most);
    assert.ok(Math.max(...most) <= streamsPerConnection, most.join());
    // One for the calls too.
    assert.equal(sessions.size, streams / streamsPerConnection + 1);
    await Promise.all(Array.from({ length: atOnce }, call));

    orchestrator().sendEvent();
    await Promise.all([call(), ...all.map(({ event }) => event)]);
    const grownMiB = (process.memoryUsage().rss - before) / 1024 / 1024;
    // Clients, gateway and orchestrator in one process.
    assert.ok(grownMiB < 150, `${grownMiB} MiB`);

    for (const { leave } of all) leave();
    // Of each kind of connection one is kept.
    await until(() => sessions.size <= 2);
    await call();
  });
});
