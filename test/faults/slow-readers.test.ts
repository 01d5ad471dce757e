import assert from "node:assert/strict";
import { once } from "node:events";
import { Agent, get } from "node:http";
import type { IncomingMessage } from "node:http";
import { setInterval as ticks } from "node:timers/promises";
import { adminToken, suite } from "../support/gateway.ts";
import { sendPath } from "../support/raw-http.ts";
import { readEventIds } from "./event-ids.ts";
import { startFlood } from "./flood.ts";
import type { Flood } from "./flood.ts";
import { startMeasuredGateway, unretainedMemory } from "./measured-gateway.ts";

/** More, at 64 KiB each, than all the buffers between the orchestrator and a client of one machine hold. */
const events = 256;

/** What those hold in any case. */
const eventsBuffered = 20;

const mib = 1024 * 1024;

const headers = { Authorization: `Bearer ${adminToken}` };

/** Settings that never take the flood for frozen: it has more to do than to respond to pings. */
const orchestratorAt = ({ url }: Flood) => ({
  ORCHESTRATOR_ENDPOINT: url,
  ORCHESTRATOR_KEEPALIVE_TIME_SECONDS: "600",
  ORCHESTRATOR_KEEPALIVE_TIMEOUT_SECONDS: "600",
  ORCHESTRATOR_STREAM_KEEPALIVE_TIMEOUT_SECONDS: "600",
});

/** Subscribes, and reads nothing but the headers of the response. */
async function subscribe(gateway: string): Promise<IncomingMessage> {
  const request = get(`${gateway}/v1/workflows/w1/events`, { headers, agent: false });
  const [response] = (await once(request, "response")) as [IncomingMessage];
  assert.equal(response.statusCode, 200);
  return response;
}

async function assertWhole(stream: AsyncIterable<Buffer>): Promise<void> {
  const { ids, isBroken } = await readEventIds(stream);
  assert.equal(isBroken, false);
  assert.deepEqual(
    ids,
    Array.from({ length: events + 1 }, (_, index) => index + 1),
  );
}

const follow = async (gateway: string) => assertWhole(await subscribe(gateway));

/** So many that have been sent all that fits between them and the gateway. */
async function stall(flood: Flood, gateway: string, count: number) {
  const begun = flood.given.length;
  const given = () => flood.given.slice(begun, begun + count);
  const responses: IncomingMessage[] = [];
  // One after the other: so many at once, with all that they are given, would look like overload.
  while (responses.length < count) responses.push(await subscribe(gateway));
  await flood.until(() => Math.min(...given()) > eventsBuffered);
  return { responses, given };
}

describe("200 subscribers that read nothing", () => {
  const subscribers = 200;
  const flood = suite(() => startFlood(events));
  const gateway = suite(() =>
    startMeasuredGateway({ ...orchestratorAt(flood()), STALL_TIMEOUT_SECONDS: "600" }, unretainedMemory),
  );

  /** Reads a workflow in a loop until `stopped` aborts. */
  async function readWorkflows(url: string, stopped: AbortSignal): Promise<void> {
    const agent = new Agent({ keepAlive: true });
    while (!stopped.aborted) {
      assert.equal((await sendPath(url, "/v1/workflows/w1", { headers, agent })).status, 200);
    }
    agent.destroy();
  }

  async function leave(responses: readonly IncomingMessage[]) {
    for (const response of responses) response.on("error", () => undefined).destroy();
    await flood().until((open) => open === 0);
  }

  it("use at most half a MiB each, delay no other client, free their memory, and lose no event when they read on", async () => {
    const { url, memory } = gateway();
    // What a process takes once and never gives back is not theirs.
    await follow(url);
    await leave((await stall(flood(), url, 8)).responses);
    const before = await memory();

    const { responses, given } = await stall(flood(), url, subscribers);
    const done = new AbortController();
    const follows = Promise.all([follow(url), follow(url), follow(url)]).finally(() => done.abort());
    await Promise.all([follows, readWorkflows(url, done.signal)]);
    const during = await memory();
    assert.ok(Math.max(...given()) < events, "the orchestrator has to wait for them");
    const resident = during.resident - before.resident;
    assert.ok(resident <= (subscribers * mib) / 2, `${resident} bytes more are resident`);
    const held = during.held - before.held;
    assert.ok(held <= (subscribers * mib) / 2, `${held} bytes more are held`);

    const [first, second, ...rest] = responses;
    for (const response of [first!, second!]) await assertWhole(response);
    await leave(rest);
    // The gateway may notice some time after the orchestrator that they have left.
    while ((await memory()).held >= before.held + (during.held - before.held) / 10);
  });
});

describe("a gateway with a stall timeout of four seconds", () => {
  const flood = suite(() => startFlood(events));
  const gateway = suite(() =>
    startMeasuredGateway({ ...orchestratorAt(flood()), STALL_TIMEOUT_SECONDS: "4" }),
  );

  it("disconnects clients that read nothing for so long, and no others", async () => {
    const { responses } = await stall(flood(), gateway().url, 20);
    await follow(gateway().url);
    await flood().until((open) => open === 0);
    for (const response of responses) {
      const { ids, isBroken } = await readEventIds(response);
      assert.equal(isBroken, true);
      assert.ok(ids.length < events);
    }
  });

  it("serves a client that reads slowly", async () => {
    const response = await subscribe(gateway().url);
    const slow = async function* () {
      let due = 0;
      const pace = ticks(250)[Symbol.asyncIterator]();
      for await (const chunk of response as AsyncIterable<Buffer>) {
        yield chunk;
        due += chunk.length;
        // Half a MiB every 250 ms: the whole takes longer than the timeout.
        for (; due > mib / 2; due -= mib / 2) await pace.next();
      }
      await pace.return?.();
    };
    await assertWhole(slow());
  });
});
