import assert from "node:assert/strict";
import type { WorkflowEvent } from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import type { EventUpstream, TakeEvent } from "../../src/sse/event-upstream.ts";
import { followWorkflow } from "../../src/sse/follow-workflow.ts";
import type { EventClient } from "../../src/sse/follow-workflow.ts";

/** One upstream stream: what it brings, and how it is over. `silence`: it stays open and brings no more. */
export interface ScriptedStream {
  readonly events?: readonly WorkflowEvent[];
  readonly then: "end" | "silence" | Error;
}

/** An upstream that plays streams one after the other, and what it was asked. */
export interface ScriptedUpstream extends EventUpstream {
  /** The id that each stream was opened from. */
  readonly openedFrom: readonly bigint[];
  /** How often `isFinished` was asked. */
  readonly finishedAsked: number;
}

/** What the script says beside the streams. Each answer is used once; the last one stays. */
interface ScriptOptions {
  readonly finished?: readonly (boolean | Error)[];
  readonly resumePoint?: readonly (bigint | Error)[];
  readonly signal?: AbortSignal;
}

/** Builds it. A stream that nobody scripted, and silence that nobody asked to end, fail the test. */
export function createScriptedUpstream(
  streams: readonly ScriptedStream[],
  { finished = [], resumePoint = [], signal = new AbortController().signal }: ScriptOptions = {},
): ScriptedUpstream {
  const openedFrom: bigint[] = [];
  let finishedAsked = 0;
  let resumePointAsked = 0;

  async function read(fromEventId: bigint, mayBeOver: () => boolean, take: TakeEvent): Promise<void> {
    const stream = streams[openedFrom.length];
    openedFrom.push(fromEventId);
    assert.ok(stream, `nobody expects stream ${openedFrom.length}, from ${fromEventId}`);
    for (const event of stream.events ?? []) await take(event);
    if (stream.then instanceof Error) throw stream.then;
    if (stream.then === "silence") assert.ok(mayBeOver(), "silence would last for ever");
  }

  return {
    signal,
    read,
    openedFrom,
    get finishedAsked() {
      return finishedAsked;
    },
    isFinished: () => answer(finished, finishedAsked++),
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
  const backOffMs = (n: number) => {
    waits.push(n);
    return 0;
  };
  let error: unknown;
  try {
    const patience = { tries, backOffMs, lingerMs: 1 };
    let hasBegun = isEstablished;
    const client: EventClient = {
      get isEstablished() {
        return hasBegun;
      },
      establish() {
        hasBegun = true;
      },
      async send({ event, id }) {
        await Promise.resolve();
        came.push(`${id ?? "-"}: ${told(event)}`);
      },
    };
    await followWorkflow(upstream, from, client, patience);
  } catch (thrown) {
    error = thrown;
  }
  return { came, error, waits };
}

function told({ event }: WorkflowEvent): string {
  return event.case === "workflowUpdate" ? JobState[event.value.state] : (event.case ?? "unknown");
}
