/** A comment line without a blank line after it: some clients turn `:` and a blank line into an empty message. */
export const heartbeatFrame = ":\n";

/** The parts of one event block. */
interface EventBlock {
  readonly name: string;
  /** Anything that JSON can say; JSON never holds a raw line break. */
  readonly data: unknown;
  /** The client's new resume point; none leaves it where it was. */
  readonly id?: bigint | undefined;
  /** What the client should wait before it reconnects, in milliseconds. */
  readonly retryMs?: number | undefined;
}

/** One block of the event stream (WHATWG HTML §9.2.6). */
export function eventFrame({ name, data, id, retryMs }: EventBlock): string {
  const retryLine = retryMs === undefined ? "" : `retry: ${retryMs}\n`;
  const idLine = id === undefined ? "" : `id: ${id}\n`;
  return `${retryLine}${idLine}event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;
}
