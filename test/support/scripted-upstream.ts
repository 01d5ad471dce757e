import assert from "node:assert/strict";
import type { WorkflowEvent } from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import type { TerminalStatus } from "../../src/events/terminal.ts";
import type { StreamedEvent, TakeEvent } from "../../src/events/upstream-stream.ts";
import type { EventUpstream } from "../../src/events/event-source.ts";
import { followWorkflow } from "../../src/events/follow-workflow.ts";
import type { EventClient } from "../../src/events/follow-workflow.ts";
import { streamedEvent, textOf } from "./streamed-event.ts";

/**
 * One upstream stream: what it brings, and how it is over. `silence`: it stays open and brings no more; `at the end`: so
 * it does, since it was opened from the event that ended the workflow.
 */
export interface ScriptedStream {
  readonly events?: readonly WorkflowEvent[];
  readonly then: "end" | "silence" | "at the end" | Error;
}

/** An upstream that plays streams one after the other, and what it was asked. */
export interface ScriptedUpstream extends EventUpstream {
  /** The id that each stream was opened from. */
  readonly openedFrom: readonly bigint[];
  /** Of each stream, whether a little silence before its first event would have ended it. */
  readonly lingered: readonly boolean[];
  /** How often `ending` was asked. */
  readonly endingAsked: number;
  /** The ids of which `isEnd` was asked. */
  readonly endAsked: readonly bigint[];
}

/** What the script says beside the streams. Each answer is used once; the last one stays. */
interface ScriptOptions {
  readonly finished?: readonly (JobState | false | Error)[];
  readonly end?: readonly (boolean | Error)[];
  readonly resumePoint?: readonly (bigint | Error)[];
  readonly signal?: AbortSignal;
}

/** Builds it. A stream that nobody scripted, and silence that nobody asked to end, fail the test. */
export function createScriptedUpstream(
  streams: readonly ScriptedStream[],
  { finished = [], end = [], resumePoint = [], signal = new AbortController().signal }: ScriptOptions = {},
): ScriptedUpstream {
  const openedFrom: bigint[] = [];
  const lingered: boolean[] = [];
  const endAsked: bigint[] = [];
  let endingAsked = 0;
  let resumePointAsked = 0;

  async function read(
    fromEventId: bigint,
    ending: TerminalStatus | undefined,
    mayBeOver: () => boolean,
    take: TakeEvent,
  ): Promise<boolean> {
    const stream = streams[openedFrom.length];
    openedFrom.push(fromEventId);
    lingered.push(mayBeOver());
    assert.ok(stream, `nobody expects stream ${openedFrom.length}, from ${fromEventId}`);
    for (const event of stream.events ?? []) await take(streamedEvent(event));
    if (stream.then instanceof Error) throw stream.then;
    if (stream.then !== "end") assert.ok(mayBeOver() || ending, "silence would last for ever");
    return stream.then === "at the end";
  }

  return {
    signal,
    read,
    openedFrom,
    lingered,
    endAsked,
    get endingAsked() {
      return endingAsked;
    },
    async ending() {
      const state = await answer(finished, endingAsked++);
      return state === false ? undefined : { state };
    },
    isEnd(id) {
      endAsked.push(id);
      return answer(end, endAsked.length - 1);
    },
    resumePointAfter: () => answer(resumePoint, resumePointAsked++),
  };
}

function answer<T>(answers: readonly (T | Error)[], index: number): Promise<T> {
  const given = answers[Math.min(index, answers.length - 1)];
  assert.ok(given !== undefined, "nobody expects this question");
  return given instanceof Error ? Promise.reject(given) : Promise.resolve(given);
}

/** How often in a row `follow` tries. */
export const tries = 3;

/** Follows to the end; what came, as `id: what`, the error if there was one, and every back-off. */
export async function follow(
  upstream: ScriptedUpstream,
  { from = 0n, isEstablished = true }: { from?: bigint; isEstablished?: boolean } = {},
) {
  const came: string[] = [];
  const waits: number[] = [];
  const backoffMs = (n: number) => {
    waits.push(n);
    return 0;
  };
  let error: unknown;
  try {
    const retryPolicy = { maxRetries: tries, backoffMs, idleTimeoutMs: 1 };
    let hasBegun = isEstablished;
    const client: EventClient = {
      get isEstablished() {
        return hasBegun;
      },
      establish() {
        hasBegun = true;
      },
      textOf,
      async send({ event, id }) {
        await Promise.resolve();
        came.push(`${id ?? "-"}: ${told(event)}`);
        event.message[Symbol.dispose]();
      },
    };
    await followWorkflow(upstream, from, client, retryPolicy);
  } catch (thrown) {
    error = thrown;
  }
  return { came, error, waits };
}

function told({ event }: StreamedEvent): string {
  return event.case === "workflowUpdate" ? JobState[event.value.state] : (event.case ?? "unknown");
}
