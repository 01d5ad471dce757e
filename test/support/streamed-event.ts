import { toBinary } from "@bufbuild/protobuf";
import type { WorkflowEvent } from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import { WorkflowEventSchema } from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import { ByteSemaphore } from "../../src/load-shedding/byte-semaphore.ts";
import { readEventStatus } from "../../src/mapping/workflow-event.ts";
import { EncodedMessage } from "../../src/grpc/encoded-message.ts";
import type { StreamedEvent } from "../../src/events/upstream-stream.ts";
import { eventText } from "../../src/events/event-text.ts";
import type { EventText } from "../../src/events/event-text.ts";
import { TaskQueue } from "../../src/load-shedding/task-queue.ts";
import { createLogger } from "../../src/telemetry/logger.ts";
import { createWriteJson } from "../../src/http/write-json.ts";

/** An event as a stream of the orchestrator brings it. */
export function streamedEvent(event: WorkflowEvent): StreamedEvent {
  const bytes = toBinary(WorkflowEventSchema, event);
  return { ...readEventStatus(bytes), message: new EncodedMessage(bytes) };
}

/** Writes JSON as the gateway does; nobody reads what it warns of. */
export const writeJson = createWriteJson(
  new TaskQueue(),
  new ByteSemaphore(Infinity),
  createLogger({ write: () => undefined }),
);

/** The text of an event, as the gateway sends it. */
export function textOf({ message }: StreamedEvent): Promise<EventText | undefined> {
  return eventText(message.bytes, undefined, writeJson);
}
