/** A comment line without a blank line after it: some clients turn `:` and a blank line into an empty message. */
export const heartbeatFrame = ":\n";

/** The parts of one event block. */
interface EventBlock {
  readonly name: string;
  /** JSON without a line break of any kind, in pieces of UTF-8. */
  readonly data: readonly Uint8Array[];
  /** The client's new resume point; none leaves it where it was. */
  readonly id?: bigint | undefined;
  /** What the client should wait before it reconnects, in milliseconds. */
  readonly retryMs?: number | undefined;
}

const blankLine = Buffer.from("\n\n");

/** One block of the event stream (WHATWG HTML §9.2.6). */
export function eventFrame({ name, data, id, retryMs }: EventBlock): Buffer {
  const retryLine = retryMs === undefined ? "" : `retry: ${retryMs}\n`;
  const idLine = id === undefined ? "" : `id: ${id}\n`;
  const lines = Buffer.from(`${retryLine}${idLine}event: ${name}\ndata: `);
  return Buffer.concat([lines, ...data, blankLine]);
}
