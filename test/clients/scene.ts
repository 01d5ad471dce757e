import type { EventSourceMessage } from "eventsource-parser";
import { readEvents } from "../support/event-reader.ts";
import { adminToken, startTestGateway } from "../support/gateway.ts";
import type { TestGateway } from "../support/gateway.ts";
import { eventIds, LiveRun, rpcsOf } from "../support/live-run.ts";
import { RunFollower } from "../support/run-follower.ts";
import { deferred } from "../support/stack.ts";
import { startTcpProxy } from "../support/tcp-proxy.ts";
import type { TcpProxy } from "../support/tcp-proxy.ts";
import { startUpstream } from "../support/upstream.ts";

/** The Authorization header of every client. */
export const authorization = `Bearer ${adminToken}`;

/** Two gateways behind one address, and a workflow to follow; the first gateway serves. */
export interface Scene {
  /** The URL that clients request. */
  readonly url: string;
  readonly proxy: TcpProxy;
  readonly run: LiveRun;
  /** Routes new connections to the second gateway, and closes the first. */
  drain(): Promise<void>;
  /** Stops the orchestrator and starts it on the same port. */
  restartOrchestrator(): Promise<void>;
  /** Stops the orchestrator for good. */
  stopOrchestrator(): Promise<void>;
  /** Waits for `count` heartbeats of the serving gateway. */
  heartbeats(count: number): Promise<void>;
  close(): Promise<void>;
}

/** Starts a scene; heartbeats are sent every 20 ms. */
export async function startScene(): Promise<Scene> {
  const run = new LiveRun("w1");
  // Never ends.
  const silent = new LiveRun("w2");
  const rpcs = rpcsOf((id) => (id === "w1" ? run : silent));
  let upstream = await startUpstream(rpcs);
  const settings = { ORCHESTRATOR_ENDPOINT: upstream.url };
  const options = { streamIntervals: { checkMs: 10, heartbeatMs: 20 } };
  const gateways: TestGateway[] = [];
  for (let i = 0; i < 2; i += 1) gateways.push(await startTestGateway(settings, options));
  const proxy = await startTcpProxy(gateways[0]!.url);

  return {
    get url() {
      return `${proxy.url}/v1/workflows/w1/events`;
    },
    proxy,
    run,
    async drain() {
      const [first, second] = gateways;
      proxy.target = second!.url;
      await first!.close();
    },
    async restartOrchestrator() {
      const port = Number(new URL(upstream.url).port);
      await upstream.close();
      upstream = await startUpstream(rpcs, port);
    },
    stopOrchestrator: () => upstream.close(),
    async heartbeats(count) {
      const leaving = new AbortController();
      const gateway = gateways.find(({ url }) => url === proxy.target);
      const reader = readEvents(await gateway!.fetch("/v1/workflows/w2/events", { signal: leaving.signal }));
      await reader.received(":\n".repeat(count));
      leaving.abort();
    },
    async close() {
      await Promise.all([...gateways.map((gateway) => gateway.close()), proxy.close()]);
      await upstream.close();
    },
  };
}

/** Collects what a client receives; a test waits for it. */
export class EventInbox {
  readonly #follower = new RunFollower();
  readonly #unexpected: unknown[] = [];
  #changed = deferred();

  /** Call it for each connection. */
  connect(): void {
    this.#follower.connect();
  }

  /** Adds an event; it is unexpected unless it is the next event of the run. */
  take(event: EventSourceMessage): void {
    try {
      this.#follower.take(event);
    } catch (error) {
      this.addUnexpected(error);
    }
    this.#notify();
  }

  /** Adds what no client should receive. */
  addUnexpected(what: unknown): void {
    this.#unexpected.push(what);
    this.#notify();
  }

  /** Resolves once `count` events of the run are received; rejects at the first unexpected one. */
  async hasEvents(count: number = eventIds.length): Promise<void> {
    for (;;) {
      if (this.#unexpected.length > 0)
        throw new AggregateError(this.#unexpected, "the client received unexpected values");
      if (this.#follower.known >= count) return;
      await this.#changed.promise;
    }
  }

  #notify(): void {
    this.#changed.resolve();
    this.#changed = deferred();
  }
}

/** Runs the scene up to its last event: events, heartbeats, a drain and a restart of the orchestrator. */
export async function runScenario(scene: Scene, inbox: EventInbox): Promise<void> {
  const { run } = scene;
  await run.hasFollowers(1);
  run.advance(1);
  await inbox.hasEvents(1);
  await scene.heartbeats(5);
  run.advance(2);
  await inbox.hasEvents(2);
  await scene.drain();
  run.advance(3);
  await inbox.hasEvents(3);
  await scene.heartbeats(5);
  await scene.restartOrchestrator();
  run.advance(4);
  await inbox.hasEvents(4);
  run.advance(5);
  await inbox.hasEvents(5);
}
