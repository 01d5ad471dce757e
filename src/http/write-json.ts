import { Code, ConnectError } from "@connectrpc/connect";
import type { MemoryLease, MessageMemory } from "../grpc/index.ts";
import { JsonWriter } from "../mapping/json-writer.ts";
import type { Transcoder } from "../mapping/transcoder.ts";
import { WireReader } from "../mapping/wire-reader.ts";
import type { TaskQueue } from "../load-shedding/task-queue.ts";
import type { Logger } from "../telemetry/logger.ts";
import { createSampledWarning } from "../telemetry/rate-limited-warnings.ts";

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

/**
 * Writes an encoded message as JSON; a large message in slices, in fair turns with the messages of other owners. A small
 * one is written at once, and throws where a large one rejects.
 */
export type WriteJson = (
  transcoder: Transcoder,
  bytes: Uint8Array,
  owner: string | undefined,
) => WrittenJson | Promise<WrittenJson>;

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

  function written(text: JsonWriter, lease?: MemoryLease): WrittenJson {
    for (const { field, workflowId } of text.corrections) warn({ field, workflow_id: workflowId });
    return new WrittenJson(text, lease);
  }

  async function writeInSlices(...[transcoder, bytes, owner]: Parameters<WriteJson>): Promise<WrittenJson> {
    const lease = await acquire(expectedGrowth * bytes.length, owner);
    const text = new JsonWriter();
    try {
      await tasks.run(owner, transcoder.writeInSlices(new WireReader(bytes), bytes.length, text));
    } catch (error) {
      lease.resize(0);
      throw error;
    }
    lease.resize(text.length);
    return written(text, lease);
  }

  return function writeJson(transcoder, bytes, owner) {
    if (bytes.length > maxSyncBytes) return writeInSlices(transcoder, bytes, owner);
    const text = new JsonWriter();
    transcoder.write(new WireReader(bytes), bytes.length, text);
    return written(text);
  };
}
