import { Code, ConnectError } from "@connectrpc/connect";
import type { Response } from "express";
import { errorAnswer } from "../errors/error-answer.ts";
import type { Locals } from "../locals.ts";
import { isTerminal } from "../mapping/job-state.ts";
import { workflowEventToJson } from "../mapping/workflow-event.ts";
import { createEventResponse } from "./event-response.ts";
import type { EventResponse } from "./event-response.ts";
import { isLost } from "./follow-workflow.ts";
import type { FollowedEvent } from "./follow-workflow.ts";
import type { OpenStreams } from "./open-streams.ts";
import { orSilence } from "./or-silence.ts";

/** How a stream of events is served. */
interface ServeOptions {
  readonly streams: OpenStreams;
  /** How long the headers wait for the first event or error, in milliseconds. */
  readonly headStartMs: number;
  /** Whether the client may still follow; rejects when that cannot be told now. */
  readonly isStillAllowed: () => Promise<boolean>;
}

/**
 * Sends `events` to the client of `res` (contract section 5). An error before the headers rejects, to be
 * answered with its status; no event at all is 204. After the headers a fatal error is sent as an event;
 * then, and when the upstream was lost for good, it rejects, which destroys the connection.
 */
export async function serveEvents(
  events: AsyncGenerator<FollowedEvent, void>,
  res: Response<unknown, Locals>,
  { streams, headStartMs, isStillAllowed }: ServeOptions,
): Promise<void> {
  const response = createEventResponse(res);
  const cut = () => void res.destroy();
  const forget = streams.add({
    idleMs: response.idleMs,
    beat: response.beat,
    cut,
    recheck() {
      // When the key cannot be looked up the stream goes on, and the next tick asks again.
      isStillAllowed().then(
        (allowed) => allowed || cut(),
        () => undefined,
      );
    },
  });
  try {
    await sendEvents(events, response, headStartMs);
  } catch (error) {
    const { trace } = res.locals;
    if (res.headersSent && !isLost(error)) {
      await response.fail(errorAnswer(error, { safeToRepeat: true, traceId: trace.traceId }).body);
    }
    throw error;
  } finally {
    forget();
  }
}

async function sendEvents(
  events: AsyncGenerator<FollowedEvent, void>,
  response: EventResponse,
  headStartMs: number,
): Promise<void> {
  const first = events.next();
  const early = await orSilence(first, headStartMs);
  if (early?.done === true) return response.endEmpty();
  response.start();
  let isOver = false;
  for (let next = await first; next.done !== true; next = await events.next()) {
    const { event, id } = next.value;
    if (event.event.case === "workflowUpdate") isOver = isTerminal(event.event.value.state);
    const named = workflowEventToJson(event);
    if (named !== undefined) await response.send(named.name, named.data, id);
  }
  // Too late for 204, and a clean end would promise a terminal event that this response has not shown.
  if (!isOver) throw new ConnectError("nothing more came after the headers", Code.Unavailable);
  response.end();
}
