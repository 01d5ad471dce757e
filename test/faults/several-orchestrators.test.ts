import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { EventEmitter, once } from "node:events";
import { Agent } from "node:http";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { scaled } from "../support/machine.ts";
import { scrape } from "../support/metrics.ts";
import { readEvents } from "../support/event-reader.ts";
import { runGateway } from "../support/gateway-process.ts";
import { adminToken } from "../support/gateway.ts";
import { sendPath } from "../support/raw-http.ts";

const headers = { Authorization: `Bearer ${adminToken}` };

/** An orchestrator that can die. */
interface Mortal {
  readonly url: string;
  kill(signal: NodeJS.Signals): Promise<void>;
}

const program = fileURLToPath(new URL("./orchestrator-process.ts", import.meta.url));

async function startMortal(port = 0): Promise<Mortal> {
  const child = spawn(process.execPath, [program, String(port)], { stdio: ["ignore", "pipe", "inherit"] });
  const exit = once(child, "exit");
  const lines = createInterface(child.stdout);
  const [url] = (await once(lines, "line")) as [string];
  return {
    url,
    async kill(signal) {
      child.kill(signal);
      if (signal === "SIGKILL") await exit;
    },
  };
}

/** One read, and when it began and ended. */
interface Read {
  readonly status: number;
  readonly server: string | undefined;
  readonly startedAt: number;
  readonly endedAt: number;
}

/** Starts readers, each of which reads in a loop until `stop`. */
function startReaders(gateway: string, count: number) {
  const reads: Read[] = [];
  const progress = new EventEmitter();
  const stopping = new AbortController();
  const agent = new Agent({ keepAlive: true });
  async function read(): Promise<void> {
    while (!stopping.signal.aborted) {
      const startedAt = performance.now();
      const { status, body } = await sendPath(gateway, "/v1/workflows/w1", { headers, agent });
      const { labels } = JSON.parse(body) as { labels?: { server?: string } };
      reads.push({
        status,
        server: labels?.server,
        startedAt,
        endedAt: performance.now(),
      });
      progress.emit("read");
    }
  }
  const done = Promise.all(Array.from({ length: count }, read));
  return {
    reads,
    /** Resolves once so many more reads have begun and ended. */
    async more(reached: number): Promise<void> {
      const from = performance.now();
      for (let left = reached; left > 0;) {
        await once(progress, "read");
        if (reads.at(-1)!.startedAt >= from) left -= 1;
      }
    },
    async stop() {
      stopping.abort();
      await done;
      agent.destroy();
    },
  };
}

/** The time that the slowest of `reads` took, in milliseconds. */
function longest(reads: readonly Read[]): number {
  return Math.max(...reads.map(({ startedAt, endedAt }) => endedAt - startedAt));
}

/** The number of `reads` that each server responded to, by the server's URL. */
function sharesOf(reads: readonly Read[]): Map<string | undefined, number> {
  return new Map(
    [...Map.groupBy(reads, ({ server }) => server)].map(([server, own]) => [server, own.length]),
  );
}

describe("three orchestrators", () => {
  it("share the reads, and one killed and one frozen under load fail none of them", async () => {
    await using cleanup = new AsyncDisposableStack();
    const mortals = await Promise.all([startMortal(), startMortal(), startMortal()]);
    for (const mortal of mortals) cleanup.defer(() => mortal.kill("SIGKILL"));
    const [first, second, third] = mortals;
    const gateway = runGateway({
      BIND_ADDR: "127.0.0.1:0",
      API_TOKEN: adminToken,
      ORCHESTRATOR_ENDPOINT: mortals.map(({ url }) => url).join(", "),
    });
    const url = await gateway.started;
    cleanup.defer(async () => {
      gateway.child.kill("SIGKILL");
      await gateway.ended;
    });
    const follows = Array.from({ length: 6 }, async (_, i) =>
      readEvents(await fetch(`${url}/v1/workflows/w${i}/events`, { headers })),
    );
    const streams = await Promise.all(follows);
    const readers = startReaders(url, 12);

    await readers.more(900);
    const shares = sharesOf(readers.reads);
    for (const { url } of mortals) {
      const share = (shares.get(url) ?? 0) / readers.reads.length;
      assert.ok(share > 0.26 && share < 0.4, `${url} responded to ${share} of the reads`);
    }

    await first.kill("SIGKILL");
    const killedAt = performance.now();
    await readers.more(600);
    // The time in which a frozen one is found out; bounded, since four times as long is waited.
    const foundMs = Math.min(scaled(1000), 10_000);
    await second.kill("SIGSTOP");
    const frozenAt = performance.now();
    while (performance.now() - frozenAt < 4 * foundMs) await readers.more(100);
    const { foldforge_gateway_grpc_subchannels: known, foldforge_gateway_grpc_subchannels_ready: reached } =
      Object.fromEntries(await scrape(url));
    assert.deepEqual([known, reached], [3, 1]);
    const thawedAt = performance.now();
    await second.kill("SIGCONT");
    const again = await startMortal(Number(new URL(first.url).port));
    cleanup.defer(() => again.kill("SIGKILL"));
    const wholeAt = performance.now();
    const isBack = (url: string) =>
      readers.reads.some(({ server, startedAt }) => server === url && startedAt > wholeAt);
    while (!isBack(first.url) || !isBack(second.url)) await readers.more(10);
    await readers.stop();

    const { reads } = readers;
    assert.deepEqual([...new Set(reads.map(({ status }) => status))], [200]);
    const whileGone = reads.filter(({ startedAt }) => startedAt > killedAt && startedAt < wholeAt);
    assert.equal(sharesOf(whileGone).get(first.url), undefined);
    // Its reads are retried on another orchestrator.
    assert.ok(longest(reads) < 2 * foundMs, `${longest(reads)} ms`);
    // A read that began while it was stopped may reach it directly afterwards.
    const whileFrozen = reads.filter(
      ({ startedAt, endedAt }) => startedAt > frozenAt + foundMs && endedAt < thawedAt,
    );
    assert.deepEqual([...sharesOf(whileFrozen).keys()], [third.url]);
    for (const stream of streams) {
      assert.equal(await stream.ended, "clean");
      assert.deepEqual(
        stream.events.map(({ id }) => Number(id)),
        Array.from({ length: 300 }, (_, i) => i + 1),
      );
    }
    const changes = gateway.lines.filter(({ event }) => /^subchannel\./.test(event ?? ""));
    const changesOf = ({ url }: Mortal) =>
      changes.filter(({ address }) => address === new URL(url).host).map(({ event }) => event);
    for (const mortal of [first, second]) {
      assert.deepEqual(changesOf(mortal), ["subchannel.lost", "subchannel.recovered"]);
    }
    assert.deepEqual(changesOf(third), []);
  });
});
