/** A request as it is sent over the wire. Text is latin1, one byte per character. */
export interface WireRequest {
  readonly method: string;
  readonly target: string;
  readonly version: string;
  /** Any headers in any order. The headers that frame the body are added. */
  readonly headers: readonly Header[];
  readonly body?: Buffer | undefined;
  /** Sends the body in chunks instead of with its length. */
  readonly isChunked?: boolean;
}

/** Name and value. */
export type Header = readonly [name: string, value: string];

/** The UTF-8 encoding of `text`, one character per byte. */
export function utf8(text: string): string {
  return Buffer.from(text).toString("latin1");
}

export function bytesOf(request: WireRequest): Buffer {
  const { body } = request;
  const head = Buffer.from(headOf(request), "latin1");
  if (body === undefined) return head;
  return Buffer.concat(request.isChunked === true ? [head, ...chunksOf(body)] : [head, body]);
}

function headOf({ method, target, version, headers, body, isChunked = false }: WireRequest): string {
  const framing: Header[] =
    body === undefined
      ? []
      : [isChunked ? ["Transfer-Encoding", "chunked"] : ["Content-Length", String(body.length)]];
  const lines = [...headers, ...framing].map(([name, value]) => `${name}: ${value}\r\n`);
  return `${method} ${target} ${version}\r\n${lines.join("")}\r\n`;
}

const chunkBytes = 100_000;

function chunksOf(body: Buffer): Buffer[] {
  const chunks: Buffer[] = [];
  for (let at = 0; at < body.length; at += chunkBytes) {
    const chunk = body.subarray(at, at + chunkBytes);
    chunks.push(Buffer.from(`${chunk.length.toString(16)}\r\n`), chunk, Buffer.from("\r\n"));
  }
  return [...chunks, Buffer.from("0\r\n\r\n")];
}

/** Most characters of a line and of a body that are shown. */
const maxShown = 2000;

/** A request in readable form: escaped where it is not ASCII, and truncated where it is long. */
export function shown(request: WireRequest): string {
  const head = headOf(request).split("\r\n").slice(0, -2).map(shownText);
  const body = request.body === undefined ? [] : ["", shownText(request.body.toString("latin1"))];
  return [...head, ...body].join("\n");
}

/** A latin1 text, escaped and truncated. */
export function shownText(text: string): string {
  const start = text.slice(0, maxShown).replace(/[^ -~]/g, (byte) => {
    return `\\x${byte.charCodeAt(0).toString(16).padStart(2, "0")}`;
  });
  return text.length > maxShown ? `${start}… (${text.length} bytes)` : start;
}
