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

/** What every client here presents. */
export const authorization = `Bearer ${adminToken}`;

/** Two gateways behind one address, the first of which serves, and a workflow to follow. */
export interface Scene {
  /** The address that clients know. */
  readonly url: string;
  readonly proxy: TcpProxy;
  readonly run: LiveRun;
  /** Leads new connections to the second gateway, and closes the first. */
  drain(): Promise<void>;
  /** Stops the orchestrator and starts it on the same port. */
  restartOrchestrator(): Promise<void>;
  /** Stops the orchestrator for good. */
  stopOrchestrator(): Promise<void>;
  /** Sees so many heartbeats on the second gateway's streams, or on the first's while it serves. */
  heartbeats(count: number): Promise<void>;
  close(): Promise<void>;
}

/** Builds it: silence is broken every few milliseconds. */
export async function startScene(): Promise<Scene> {
  const run = new LiveRun("w1");
  // Runs on for ever.
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

/** Where a client puts what it is given; a test waits for it. */
export class Inbox {
  readonly #follower = new RunFollower();
  readonly #surprises: unknown[] = [];
  #news = deferred();

  /** To be told of each connection. */
  connect(): void {
    this.#follower.connect();
  }

  /** Takes an event; whatever is not the run's next one is a surprise. */
  take(event: EventSourceMessage): void {
    try {
      this.#follower.take(event);
    } catch (error) {
      this.surprise(error);
    }
    this.#tell();
  }

  /** Notes what no client should get. */
  surprise(what: unknown): void {
    this.#surprises.push(what);
    this.#tell();
  }

  /** Resolves once so many of the run's events are known; rejects at the first surprise. */
  async knows(count: number = eventIds.length): Promise<void> {
    for (;;) {
      if (this.#surprises.length > 0) throw new AggregateError(this.#surprises, "the client was given this");
      if (this.#follower.known >= count) return;
      await this.#news.promise;
    }
  }

  #tell(): void {
    this.#news.resolve();
    this.#news = deferred();
  }
}

/** What happens to a client that follows the scene's run: everything, up to the last event. */
export async function liveThrough(scene: Scene, inbox: Inbox): Promise<void> {
  const { run } = scene;
  await run.hasFollowers(1);
  run.advance(1);
  await inbox.knows(1);
  await scene.heartbeats(5);
  run.advance(2);
  await inbox.knows(2);
  await scene.drain();
  run.advance(3);
  await inbox.knows(3);
  await scene.heartbeats(5);
  await scene.restartOrchestrator();
  run.advance(4);
  await inbox.knows(4);
  run.advance(5);
  await inbox.knows(5);
}
