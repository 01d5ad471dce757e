import { setTimeout as delay } from "node:timers/promises";
import type { EventSourceMessage } from "eventsource-parser";
import { EventSourceParserStream } from "eventsource-parser/stream";
import { dataOf } from "./client.ts";
import type { GatewayClient, Schema } from "./client.ts";
import { Failure } from "./failure.ts";

/** The limit of consecutive connections without an event. */
const maxFailures = 10;

/** The time before a reconnect until the gateway sends `retry:`, in milliseconds. */
const defaultRetryMs = 1000;

const terminalStates: readonly unknown[] = ["SUCCEEDED", "FAILED", "CANCELLED"];

/**
 * Yields each event of a workflow once, until the terminal one. After a lost connection it reconnects and resumes behind
 * the last event; `onReconnect` is called with the reason, once for each loss. Throws a Failure for an error that is not
 * retryable, or after too many consecutive connections without an event.
 */
export async function* followWorkflow(
  client: GatewayClient,
  id: string,
  onReconnect: (reason: string) => void,
): AsyncGenerator<Schema["WorkflowEvent"], void> {
  let lastEventId: string | undefined;
  let retryMs = defaultRetryMs;
  let failures = 0;

  for (;;) {
    try {
      const header = lastEventId === undefined ? {} : { "Last-Event-ID": lastEventId };
      const params = { path: { id }, header };
      const result = await client.GET("/v1/workflows/{id}/events", { params, parseAs: "stream" });
      // There are no more events.
      if (result.response.status === 204) return;
      const parser = new EventSourceParserStream({ onRetry: (ms) => (retryMs = ms) });
      for await (const message of messagesOf(dataOf(result), parser)) {
        const event = eventFrom(message);
        // Set after parsing: an event that was received but not read must be sent again.
        lastEventId = message.id ?? lastEventId;
        failures = 0;
        if (event === undefined) continue;
        yield event;
        if (terminalStates.includes(event.workflow_update?.state)) return;
      }
      throw new Failure("the stream ended before the workflow did", { retryable: true });
    } catch (error) {
      failures += 1;
      if (!(error instanceof Failure) || !error.retryable || failures > maxFailures) throw error;
      if (failures === 1) onReconnect(error.message);
      await delay(error.retryAfterMs ?? retryMs);
    }
  }
}

/** Yields the messages of a stream; throws a Failure when the connection breaks. */
async function* messagesOf(
  body: ReadableStream<Uint8Array>,
  parser: EventSourceParserStream,
): AsyncGenerator<EventSourceMessage, void> {
  try {
    yield* body.pipeThrough(new TextDecoderStream()).pipeThrough(parser);
  } catch (cause) {
    throw new Failure("the connection broke", { cause, retryable: true });
  }
}

/** The event in a message; undefined for an unknown type. Throws a Failure for `stream_error`. */
function eventFrom({ event, data }: EventSourceMessage): Schema["WorkflowEvent"] | undefined {
  if (event === "stream_error") {
    // The contract describes `data` in words: for OpenAPI it is a string.
    const { code, message, retryable } = JSON.parse(data) as Schema["Error"];
    throw new Failure(`the stream failed: ${code}: ${message}`, { retryable });
  }
  if (event !== "step_update" && event !== "workflow_update") return undefined;
  return JSON.parse(data) as Schema["WorkflowEvent"];
}
