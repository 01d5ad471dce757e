import type { Response } from "express";
import { errorAnswer } from "../errors/error-answer.ts";
import type { Locals } from "../locals.ts";
import { workflowEventToJson } from "../mapping/workflow-event.ts";
import { orSilence } from "./event-upstream.ts";
import { createEventResponse } from "./event-response.ts";
import { isLost } from "./follow-workflow.ts";
import type { FollowedEvent } from "./follow-workflow.ts";
import type { OpenStreams } from "./open-streams.ts";

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
  const first = events.next();
  const early = await orSilence(first, headStartMs);
  if (early?.done === true) {
    res.status(204).end();
    return;
  }
  const response = createEventResponse(res);
  response.start();
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
    for (let next = await first; next.done !== true; next = await events.next()) {
      const named = workflowEventToJson(next.value.event);
      if (named !== undefined) await response.send(named.name, named.data, next.value.id);
    }
    response.end();
  } catch (error) {
    const { trace } = res.locals;
    if (!isLost(error))
      await response.fail(errorAnswer(error, { safeToRepeat: true, traceId: trace.traceId }).body);
    throw error;
  } finally {
    forget();
  }
}
