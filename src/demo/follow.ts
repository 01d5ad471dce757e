import { setTimeout as delay } from "node:timers/promises";
import type { EventSourceMessage } from "eventsource-parser";
import { EventSourceParserStream } from "eventsource-parser/stream";
import { dataOf } from "./client.ts";
import type { GatewayClient, Schema } from "./client.ts";
import { Failure } from "./failure.ts";

/** How many connections in a row may bring nothing. */
const maxFailures = 10;

/** How long to wait before a reconnect until the gateway says so, in milliseconds. */
const defaultRetryMs = 1000;

const terminalStates: readonly unknown[] = ["SUCCEEDED", "FAILED", "CANCELLED"];

/**
 * The events of a workflow, each once, until its terminal one. A connection that breaks, or ends before that, is
 * taken up again behind the last event; `onReconnect` hears why, once per loss. Throws a Failure when the gateway refuses, or
 * when too many connections in a row bring nothing.
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
      const answer = await client.GET("/v1/workflows/{id}/events", { params, parseAs: "stream" });
      // Nothing more will come.
      if (answer.response.status === 204) return;
      const parser = new EventSourceParserStream({ onRetry: (ms) => (retryMs = ms) });
      for await (const message of messagesOf(dataOf(answer), parser)) {
        const event = eventFrom(message);
        // Only now: an event that arrived but was not read when the connection broke has to come again.
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

/** The messages of a stream; throws a Failure when it breaks. */
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

/** The event that a message tells; undefined for a kind that this client does not know. */
function eventFrom({ event, data }: EventSourceMessage): Schema["WorkflowEvent"] | undefined {
  if (event === "stream_error") {
    // The contract says what `data` holds, and the generated types cannot: OpenAPI sees a string.
    const { code, message, retryable } = JSON.parse(data) as Schema["Error"];
    throw new Failure(`the stream failed: ${code} ${message}`, { retryable });
  }
  if (event !== "step_update" && event !== "workflow_update") return undefined;
  return JSON.parse(data) as Schema["WorkflowEvent"];
}
