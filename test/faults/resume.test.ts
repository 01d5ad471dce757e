import assert from "node:assert/strict";
import { once } from "node:events";
import { Agent, get } from "node:http";
import type { IncomingMessage } from "node:http";
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  GetWorkflowRequestSchema,
  StreamWorkflowEventsRequestSchema,
  WorkflowEventSchema,
  WorkflowSchema,
} from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import { startEncodedUpstream } from "../support/encoded-upstream.ts";
import { adminToken, suite } from "../support/gateway.ts";
import { eventIds, LiveRun } from "../support/live-run.ts";
import { RunFollower } from "../support/run-follower.ts";
import { startMeasuredGateway } from "./measured-gateway.ts";

/** How many runs are followed at a time. */
const atOnce = 16;

/** How many events happen before the client of a broken stream is back: none, one, and all there are. */
const aways = [0, 1, eventIds.length];

/** A fresh stream as it was received while its run went on; runs differ in their ids only. */
interface Recording {
  /** A character for each byte. */
  readonly text: string;
  /** How many of the run's events are needed for the first `length` bytes. */
  eventsWithin(length: number): number;
  /** The data of each event. */
  readonly data: readonly string[];
}

/** The text of a stream as it would be if the time to wait before a reconnect were always the same. */
const masked = (text: string) => text.replace(/^retry: \d+/, (line) => line.replace(/\d/g, "0"));

const idOf = (number: number) => `run-${String(number).padStart(6, "0")}`;

describe("GET /v1/workflows/{id}/events, when the client resumes a broken stream", () => {
  const runs = new Map<string, LiveRun>();
  const upstream = suite(() =>
    startEncodedUpstream({
      GetWorkflow(request) {
        const { workflowId } = fromBinary(GetWorkflowRequestSchema, request);
        return [toBinary(WorkflowSchema, runs.get(workflowId)!.workflow)];
      },
      async *StreamWorkflowEvents(request, stream) {
        const { workflowId, fromEventId } = fromBinary(StreamWorkflowEventsRequestSchema, request);
        const closing = new AbortController();
        stream.once("close", () => closing.abort());
        for await (const event of runs.get(workflowId)!.follow(fromEventId, closing.signal))
          yield toBinary(WorkflowEventSchema, event);
      },
    }),
  );
  const startGateway = () => startMeasuredGateway({ ORCHESTRATOR_ENDPOINT: upstream().url });
  const gateways = [suite(startGateway), suite(startGateway)];
  const gatewayAt = (index: number) => gateways[index % gateways.length]!().url;
  const agent = new Agent({ keepAlive: true });
  after(() => agent.destroy());

  /** Begins a stream at one of the gateways. */
  async function open(url: string, id: string, lastEventId?: string): Promise<IncomingMessage> {
    const headers = {
      Authorization: `Bearer ${adminToken}`,
      ...(lastEventId === undefined ? {} : { "Last-Event-ID": lastEventId }),
    };
    const request = get(`${url}/v1/workflows/${id}/events`, { headers, agent });
    const [response] = (await once(request, "response")) as [IncomingMessage];
    return response;
  }

  async function record(): Promise<Recording> {
    const run = startRun(idOf(0));
    const follower = new RunFollower();
    const response = await open(gatewayAt(0), idOf(0));
    run.advance(eventIds.length);
    const { bytes, isWhole } = await read(response, Infinity, follower.connect());
    assert.ok(isWhole);
    const text = bytes.toString("latin1");
    const ends = [...text.matchAll(/\n\n/g)].map(({ index }) => index + 2);
    return {
      text,
      eventsWithin: (length) => ends.slice(0, -1).filter((end) => end < length).length,
      data: follower.received,
    };
  }

  function startRun(id: string): LiveRun {
    const run = new LiveRun(id);
    runs.set(id, run);
    return run;
  }

  /**
   * Follows a run to its end, over one gateway after the other: the first connection breaks after `breaks[0]` bytes of
   * the recording, each later connection after its own `breaks[i]` bytes. `away` events happen before the first
   * reconnect.
   */
  async function follow(
    id: string,
    recording: Recording,
    breaks: readonly number[],
    away: number,
  ): Promise<void> {
    const run = startRun(id);
    const follower = new RunFollower();
    const [first = 0, ...later] = breaks;
    const needed = recording.eventsWithin(first);
    const response = await open(gatewayAt(first), id);
    run.advance(needed);
    const begun = await read(response, first, follower.connect());
    const expected = recording.text.replaceAll(idOf(0), id).slice(0, first);
    assert.equal(masked(begun.bytes.toString("latin1")), masked(expected));
    await run.hasFollowers(0);
    run.advance(needed + away);
    for (const [index, length] of [...later, Infinity].entries()) {
      const opening = open(gatewayAt(first + 1 + index), id, follower.lastEventId);
      await Promise.race([opening, run.hasFollowers(1)]);
      run.advance(eventIds.length);
      const response = await opening;
      const { isWhole } = await read(response, length, follower.connect());
      await run.hasFollowers(0);
      assert.ok([200, 204].includes(response.statusCode!));
      if (isWhole) break;
    }
    assert.equal(follower.known, eventIds.length);
    const got = follower.received.map((data) => data.replaceAll(id, idOf(0)));
    assert.deepEqual(got, recording.data.slice(recording.data.length - got.length));
    runs.delete(id);
  }

  it("sends every event once over two gateways, wherever the first connection breaks", async () => {
    const recording = await record();
    const positions = Array.from({ length: recording.text.length + 1 }, (_, position) => position);
    await inParallel(positions, (position) =>
      follow(idOf(1 + position), recording, [position], aways[Math.floor(position / 3) % 3]!),
    );
    assert.equal(runs.size, 1);
  });

  it("sends every event once after a second break and a third", async () => {
    const recording = await record();
    const sample = Array.from({ length: recording.text.length }, (_, position) => position).filter(
      (position) => position % 37 === 0,
    );
    await inParallel(sample, (position) => {
      const breaks = [position, (7 * position) % 500, (11 * position) % 300];
      return follow(idOf(1 + position), recording, breaks, aways[position % 2]!);
    });
    assert.equal(runs.size, 1);
  });
});

async function inParallel<T>(items: readonly T[], act: (item: T) => Promise<void>): Promise<void> {
  const left = items.values();
  async function work() {
    for (const item of left) await act(item);
  }
  await Promise.all(Array.from({ length: atOnce }, work));
}

/** Gives at most the first `most` bytes of a response to `take`, and breaks the connection where there are more. */
async function read(response: IncomingMessage, most: number, take: (bytes: Uint8Array) => void) {
  const chunks: Buffer[] = [];
  let left = most;
  let isWhole = true;
  if (left > 0) {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      chunks.push(chunk.subarray(0, left));
      take(chunk.subarray(0, left));
      left -= chunk.length;
      if (left > 0) continue;
      isWhole = false;
      break;
    }
  } else isWhole = false;
  if (!isWhole) response.destroy();
  return { bytes: Buffer.concat(chunks), isWhole };
}
