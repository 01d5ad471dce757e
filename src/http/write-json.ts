import { Code, ConnectError } from "@connectrpc/connect";
import type { MemoryLease, MessageMemory } from "../grpc/index.ts";
import { JsonWriter } from "../mapping/json-writer.ts";
import type { Transcoder } from "../mapping/transcoder.ts";
import { WireReader } from "../mapping/wire-reader.ts";
import type { TaskQueue } from "../load-shedding/task-queue.ts";
import type { Logger } from "../telemetry/logger.ts";
import { createSampledWarning } from "../telemetry/rate-limited-warnings.ts";

/** The context of a message that is part of a larger one: its workflow, and the corrected fields of the larger one. */
interface Context {
  readonly workflowId: string;
  readonly correctedFields: readonly string[];
}

/** JSON text that holds a lease of memory until it is disposed of. */
export class WrittenJson implements Disposable {
  #text: JsonWriter | undefined;
  readonly #lease: MemoryLease | undefined;

  constructor(text: JsonWriter, lease?: MemoryLease) {
    this.#text = text;
    this.#lease = lease;
  }

  /** The text in order; empty after disposal. */
  pieces(): readonly Buffer[] {
    return this.#text?.pieces() ?? [];
  }

  [Symbol.dispose](): void {
    this.#text = undefined;
    this.#lease?.resize(0);
  }
}

/** Writes an encoded message as JSON; a large message in slices, in fair turns with the messages of other owners. */
export type WriteJson = (
  transcoder: Transcoder,
  bytes: Uint8Array,
  owner: string | undefined,
  context?: Context,
) => Promise<WrittenJson>;

/** Messages up to this size, in bytes, are written at once. */
const maxSyncBytes = 16 * 1024;

/**
 * How many times the bytes of a message its JSON is expected to take at most: a control character becomes 6. The lease is
 * corrected after the JSON is written.
 */
const expectedGrowth = 6;

/**
 * A large text acquires memory before it is written, and rejects with Unavailable when too many wait for that. Values
 * that JSON cannot represent are corrected and warned of once a minute, with the id of their workflow.
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

  return async function writeJson(transcoder, bytes, owner, context) {
    const reader = new WireReader(bytes);
    const text = new JsonWriter();
    const isLarge = bytes.length > maxSyncBytes;
    const lease = isLarge ? await acquire(expectedGrowth * bytes.length, owner) : undefined;
    try {
      if (isLarge) await tasks.run(owner, transcoder.writeInSlices(reader, bytes.length, text));
      else transcoder.write(reader, bytes.length, text);
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
