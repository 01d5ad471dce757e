import { JsonText } from "./mapping/json-text.ts";
import type { MessageJson } from "./mapping/message-json.ts";
import { WireReader } from "./mapping/wire.ts";
import type { TaskQueue } from "./task-queue.ts";
import type { Logger } from "./telemetry/logger.ts";
import { createSampledWarning } from "./telemetry/sampled-warning.ts";

/** What goes with a message that is part of another: its workflow, and fields of the other that JSON cannot tell. */
interface Context {
  readonly workflowId: string;
  readonly unusable: readonly string[];
}

/** Writes a message of the kind of `message` from its bytes as JSON; a large one in steps, between which others run. */
export type WriteJson = (message: MessageJson, bytes: Uint8Array, context?: Context) => Promise<JsonText>;

/** A larger message is written in steps, in bytes. */
const atOnceBytes = 64 * 1024;

/** Builds it. Values that JSON cannot tell as they came are warned of once a minute, with the id of their workflow. */
export function createWriteJson(tasks: TaskQueue, logger: Logger): WriteJson {
  const warn = createSampledWarning(logger, "response.corrected");

  return async function writeJson(message, bytes, context) {
    const reader = new WireReader(bytes);
    const text = new JsonText();
    if (bytes.length <= atOnceBytes) message.write(reader, bytes.length, text);
    else await tasks.run(message.writeInSteps(reader, bytes.length, text));
    if (context !== undefined) {
      for (const field of context.unusable) text.noteUnusable(field);
      text.assignUnusable(() => context.workflowId);
    }
    for (const { field, workflowId } of text.unusable) warn({ field, workflow_id: workflowId });
    return text;
  };
}
