import assert from "node:assert/strict";
import { toBinary } from "@bufbuild/protobuf";
import { WorkflowEventSchema } from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import type { WorkflowEvent } from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import { WorkflowEventSource } from "../../src/events/event-source.ts";
import type { SourceEvent } from "../../src/events/event-source.ts";
import type { RetryPolicy } from "../../src/events/retry-policy.ts";

import type { TerminalSearch } from "../../src/events/terminal-search.ts";
import { UpstreamStream } from "../../src/events/upstream-stream.ts";
import { EncodedMessage } from "../../src/grpc/index.ts";
import { createWriteJson } from "../../src/http/write-json.ts";
import { ByteSemaphore } from "../../src/load-shedding/byte-semaphore.ts";
import { TaskQueue } from "../../src/load-shedding/task-queue.ts";
import { createLogger } from "../../src/telemetry/logger.ts";
import { transcoders } from "../mapping/transcode.ts";

/**
 * One upstream stream: its events, and what follows them. `silence`: it stays open; `at the end`: so it does, since it
 * was opened from the event that entered the terminal state.
 */
interface StreamScript {
  readonly events?: readonly WorkflowEvent[];
  readonly then: "end" | "silence" | "at the end" | Error;
}

/** An upstream that plays streams one after the other, and records how it is used. */
export interface ScriptedUpstream {
  readonly openStream: (fromEventId: bigint) => UpstreamStream;
  readonly search: TerminalSearch;
  /** The id that each stream was opened from. */
  readonly openedFrom: readonly bigint[];
  /** The ids that `search.isTerminalEvent` was called with. */
  readonly firstSearched: readonly bigint[];
  /** The ids that `search.isLastEvent` was called with. */
  readonly lastSearched: readonly bigint[];
  /** How often `search.readStatus` was called. */
  readonly statusReads: number;
}

/** The results of the search. Each is used once; the last one stays. */
interface SearchScript {
  readonly finished?: readonly (JobState | false | Error)[];
  readonly isLast?: readonly (boolean | Error)[];
  readonly resumePoint?: readonly (bigint | Error)[];
}

/** A message of the orchestrator. */
export function eventMessage(event: WorkflowEvent): EncodedMessage<WorkflowEvent> {
  return new EncodedMessage(toBinary(WorkflowEventSchema, event));
}

class ScriptedStream extends UpstreamStream {
  readonly #script: StreamScript;

  constructor(fromEventId: bigint, script: StreamScript) {
    super(fromEventId, isSilent(script) ? silentAfter(messagesOf(script)) : messagesOf(script));
    this.#script = script;
  }

  override next(timeoutMs?: number) {
    const isAfterLast = this.eventCount === (this.#script.events ?? []).length;
    const isEndless = isAfterLast && isSilent(this.#script) && timeoutMs === undefined;
    assert.ok(!isEndless, "silence would last for ever");
    return super.next(timeoutMs);
  }
}

function isSilent({ then }: StreamScript): boolean {
  return then === "silence" || then === "at the end";
}

async function* messagesOf({ events = [], then }: StreamScript) {
  for (const event of events) yield await Promise.resolve(eventMessage(event));
  if (then instanceof Error) throw then;
}

/** Messages that stay open after the last one. A generator could not be left while it waits. */
function silentAfter(messages: AsyncIterator<EncodedMessage<WorkflowEvent>>): typeof messages {
  return {
    async next() {
      const result = await messages.next();
      return result.done === true ? new Promise<never>(() => undefined) : result;
    },
  };
}

/** Builds it. A stream that is not scripted, and a wait without a timeout in silence, fail the test. */
export function createScriptedUpstream(
  scripts: readonly StreamScript[],
  { finished = [], isLast = [], resumePoint = [] }: SearchScript = {},
): ScriptedUpstream {
  const openedFrom: bigint[] = [];
  const firstSearched: bigint[] = [];
  const lastSearched: bigint[] = [];
  let statusReads = 0;
  let resumePointReads = 0;
  return {
    openedFrom,
    firstSearched,
    lastSearched,
    get statusReads() {
      return statusReads;
    },
    openStream(fromEventId) {
      const script = scripts[openedFrom.length];
      openedFrom.push(fromEventId);
      assert.ok(script, `stream ${openedFrom.length}, from ${fromEventId}, is not scripted`);
      return new ScriptedStream(fromEventId, script);
    },
    search: {
      async readStatus() {
        const state = await result(finished, statusReads++);
        return state === false ? undefined : { state };
      },
      isTerminalEvent(id) {
        firstSearched.push(id);
        return Promise.resolve(scripts[openedFrom.length - 1]?.then === "at the end");
      },
      isLastEvent(id) {
        lastSearched.push(id);
        return result(isLast, lastSearched.length - 1);
      },
      resumePointAfter: () => result(resumePoint, resumePointReads++),
    },
  };
}

function result<T>(results: readonly (T | Error)[], index: number): Promise<T> {
  const value = results[Math.min(index, results.length - 1)];
  assert.ok(value !== undefined, "the test gives no result for this search");
  return value instanceof Error ? Promise.reject(value) : Promise.resolve(value);
}

/** Writes JSON as the gateway does, without its warnings. */
export const writeJson = createWriteJson(
  new TaskQueue(),
  new ByteSemaphore(Infinity),
  createLogger({ write: () => undefined }),
);

/** The retries of `collect`. */
export const maxRetries = 3;

interface CollectOptions {
  readonly from?: bigint;
  readonly mayRetry?: boolean;
  readonly write?: typeof writeJson;
}

/** Builds a source over a scripted upstream. */
export async function openScriptedSource(
  { openStream, search }: ScriptedUpstream,
  retryPolicy: RetryPolicy,
  { from = 0n, mayRetry = true, write = writeJson }: CollectOptions = {},
  signal = new AbortController().signal,
): Promise<WorkflowEventSource> {
  const source = await WorkflowEventSource.open({
    fromEventId: from,
    openStream,
    createSearch: () => search,
    eventTimeoutMs: 2 * retryPolicy.idleTimeoutMs,
    writeJson: write,
    transcoders,
    owner: undefined,
    retryPolicy,
    // As the handler does: a resume of a running workflow begins the response.
    mayRetry: () => mayRetry || (from > 0n && source.isFollowing),
    signal,
  });
  return source;
}

/** Reads to the end: each event as `id: what`, the error or how it ended, and the number of each retry. */
export async function collect(upstream: ScriptedUpstream, options: CollectOptions = {}) {
  const events: string[] = [];
  const retries: number[] = [];
  const backoffMs = (n: number) => {
    retries.push(n);
    return 0;
  };
  try {
    await using source = await openScriptedSource(
      upstream,
      { maxRetries, backoffMs, idleTimeoutMs: 1 },
      options,
    );
    for (;;) {
      const item = await source.next();
      if (item.kind === "end") return { events, retries, end: item.isAfterTerminalEvent ? "clean" : "early" };
      events.push(item.kind === "unknown" ? "unknown" : textOf(item));
    }
  } catch (end) {
    return { events, retries, end };
  }
}

function textOf(event: SourceEvent): string {
  const json = JSON.parse(Buffer.concat(event.data).toString()) as { workflow_update?: { state: string } };
  event[Symbol.dispose]();
  return `${event.id ?? "-"}: ${json.workflow_update?.state ?? "step"}`;
}
