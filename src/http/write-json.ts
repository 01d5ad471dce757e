import { Code, ConnectError } from "@connectrpc/connect";
import type { MemoryLease, MessageMemory } from "../grpc/index.ts";
import { JsonWriter } from "../mapping/json-writer.ts";
import type { Transcoder } from "../mapping/transcoder.ts";
import { WireReader } from "../mapping/wire-reader.ts";
import type { TaskQueue } from "../load-shedding/task-queue.ts";
import type { Logger } from "../telemetry/logger.ts";
import { createSampledWarning } from "../telemetry/sampled-warning.ts";

/** What goes with a message that is part of another: its workflow, and fields of the other that JSON cannot tell. */
interface Context {
  readonly workflowId: string;
  readonly correctedFields: readonly string[];
}

/** JSON text whose memory counts until it is disposed of. */
export class WrittenJson implements Disposable {
  #text: JsonWriter | undefined;
  readonly #lease: MemoryLease | undefined;

  constructor(text: JsonWriter, lease?: MemoryLease) {
    this.#text = text;
    this.#lease = lease;
  }

  /** All of it, in order; nothing once it is disposed of. */
  segments(): readonly Buffer[] {
    return this.#text?.segments() ?? [];
  }

  [Symbol.dispose](): void {
    this.#text = undefined;
    this.#lease?.resize(0);
  }
}

/**
 * Writes a message of the kind of `message` from its bytes as JSON; a large one in steps, between which others run. Those
 * of one owner wait for each other, and the owners have their turns.
 */
export type WriteJson = (
  message: Transcoder,
  bytes: Uint8Array,
  owner: string | undefined,
  context?: Context,
) => Promise<WrittenJson>;

/** A larger message is written in steps, in bytes. */
const atOnceBytes = 16 * 1024;

/** How many times its bytes the text of a message is at most, but for what nobody submits: 6 for a control character. */
const maxGrowth = 6;

/**
 * Builds it. A large text waits for memory before it is written: a message becomes up to six times its bytes, and its
 * text is held while it is compressed; where too many wait, it rejects with Unavailable. Values that JSON cannot tell as
 * they came are warned of once a minute, with the id of their workflow.
 */
export function createWriteJson(tasks: TaskQueue, memory: MessageMemory, logger: Logger): WriteJson {
  const warn = createSampledWarning(logger, "response.corrected");

  async function acquire(bytes: number, owner: string | undefined): Promise<MemoryLease> {
    try {
      return await memory.acquire(bytes, { owner });
    } catch (error) {
      throw ConnectError.from(error, Code.Unavailable);
    }
  }

  return async function writeJson(message, bytes, owner, context) {
    const reader = new WireReader(bytes);
    const text = new JsonWriter();
    const isLarge = bytes.length > atOnceBytes;
    const lease = isLarge ? await acquire(maxGrowth * bytes.length, owner) : undefined;
    try {
      if (isLarge) await tasks.run(owner, message.writeInSteps(reader, bytes.length, text));
      else message.write(reader, bytes.length, text);
    } catch (error) {
      lease?.resize(0);
      throw error;
    }
    lease?.resize(text.length);
    if (context !== undefined) {
      for (const field of context.correctedFields) text.noteCorrection(field);
      text.assignCorrections(() => context.workflowId);
    }
    for (const { field, workflowId } of text.corrections) warn({ field, workflow_id: workflowId });
    return new WrittenJson(text, lease);
  };
}
