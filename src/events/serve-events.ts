import type { Socket } from "node:net";
import { Code, ConnectError } from "@connectrpc/connect";
import type { Response } from "express";
import type { Revalidation } from "../auth/authenticator.ts";
import { errorResponse } from "../errors/error-response.ts";
import type { TracedLocals } from "../http/stages.ts";
import { isTerminal } from "../mapping/job-state.ts";
import type { WriteJson } from "../http/write-json.ts";
import { SseWriter } from "./sse-writer.ts";
import type { EventName } from "./sse-writer.ts";
import { eventText } from "./event-text.ts";
import { isRetryable } from "./retry-policy.ts";
import type { EventClient, FollowedEvent } from "./follow-workflow.ts";
import type { StreamRegistry } from "./stream-registry.ts";

/** How a stream of events is served. */
interface ServeOptions {
  readonly streams: StreamRegistry;
  /** How long the headers wait for the first event or error, in milliseconds. */
  readonly headStartMs: number;
  /** Whose right to follow is checked again; undefined where it cannot be lost. */
  readonly revalidation: Revalidation | undefined;
  readonly writeJson: WriteJson;
  /** Hears that something was sent on a connection. */
  readonly noteBuffered: (socket: Socket) => void;
  /** Hears of each event that is sent. */
  readonly sent: (name: EventName) => void;
}

/**
 * Sends the events that `follow` finds to the client of `res`. An error before the headers
 * rejects, to be answered with its status; no event at all is 204. After the headers a fatal error is sent as
 * an event; then, and when the upstream was lost for good, it rejects, which destroys the connection.
 */
export async function serveEvents(
  follow: (client: EventClient) => Promise<void>,
  res: Response<unknown, TracedLocals>,
  { streams, headStartMs, revalidation, writeJson, noteBuffered, sent }: ServeOptions,
): Promise<void> {
  const response = new SseWriter(res, sent);
  const forget = streams.add(response, revalidation);
  const headStart = setTimeout(() => response.start(), headStartMs);
  let isOver = false;

  /** Not an async function, which would hold the event while it waits for the client. */
  function send({ event, text, id }: FollowedEvent): Promise<void> {
    clearTimeout(headStart);
    if (event.event.case === "workflowUpdate") isOver = isTerminal(event.event.value.state);
    if (text === undefined) return Promise.resolve(response.start());
    streams.touch(response);
    const room = response.send(text.name, text.takeData(), id);
    if (res.socket !== null) noteBuffered(res.socket);
    event.message[Symbol.dispose]();
    text[Symbol.dispose]();
    return room;
  }

  function establish() {
    clearTimeout(headStart);
    response.start();
  }

  const client: EventClient = {
    get isEstablished() {
      return response.hasStarted;
    },
    textOf: ({ message }) => eventText(message.bytes, revalidation?.keyHash, writeJson),
    establish,
    send,
  };
  try {
    await follow(client);
    endEvents(response, isOver);
  } catch (error) {
    const { trace } = res.locals;
    if (response.hasStarted && !isRetryable(error)) {
      // Following changes nothing.
      await response.fail(errorResponse(error, { safeToRepeat: true, traceId: trace.traceId }).body);
    }
    throw error;
  } finally {
    clearTimeout(headStart);
    forget();
  }
}

function endEvents(response: SseWriter, isOver: boolean): void {
  if (!response.hasStarted) return response.endEmpty();
  // Too late for 204, and a clean end would promise a terminal event that this response has not shown.
  if (!isOver) throw new ConnectError("nothing more came after the headers", Code.Unavailable);
  response.end();
}
