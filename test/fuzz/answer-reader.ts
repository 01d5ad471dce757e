/** One answer, as its bytes say. */
export interface Answer {
  readonly status: number;
  /** By lower-case name; what came more than once is joined by a comma. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Buffer;
  /** Whether it is the last one of its connection. */
  readonly isLast: boolean;
}

/** An answer that is not whole, and never will be. */
export class BrokenAnswer extends Error {}

/** A whole answer, and the bytes after it. */
interface Read {
  readonly answer: Answer;
  readonly rest: Buffer;
}

/**
 * The first final answer in `bytes`, read by its framing (RFC 9112 §6.3); undefined while it is not whole. Throws
 * when the bytes are no HTTP/1.1, and a BrokenAnswer when they end, as `isOver` says, in the middle of an answer.
 */
export function readAnswer(bytes: Buffer, method: string, isOver: boolean): Read | undefined {
  const read = parseAnswer(bytes, method, isOver);
  if (read === undefined && isOver) throw new BrokenAnswer("the connection ended in the middle of an answer");
  return read;
}

function parseAnswer(bytes: Buffer, method: string, isOver: boolean): Read | undefined {
  const headEnd = bytes.indexOf("\r\n\r\n");
  if (headEnd === -1) return undefined;
  const [statusLine = "", ...lines] = bytes.toString("latin1", 0, headEnd).split("\r\n");
  const status = Number(/^HTTP\/1\.1 ([1-5]\d\d) [\t -~]*$/.exec(statusLine)?.[1]);
  if (Number.isNaN(status)) throw new Error(`this is no status line: ${statusLine}`);
  const after = bytes.subarray(headEnd + 4);
  // Interim answers come before the final one.
  if (status < 200) return parseAnswer(after, method, isOver);

  const headers = headersFrom(lines);
  const framed = frame(after, { status, headers, method, isOver });
  if (framed === undefined) return undefined;
  const isLast = framed.isLast || headers.get("connection")?.toLowerCase() === "close";
  return { answer: { status, headers, body: framed.body, isLast }, rest: framed.rest };
}

function headersFrom(lines: readonly string[]): Map<string, string> {
  const headers = new Map<string, string>();
  for (const line of lines) {
    const [, name, value = ""] = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*$/s.exec(line) ?? [];
    if (name === undefined || /[\0\r\n]/.test(value)) throw new Error(`this is no header: ${line}`);
    const before = headers.get(name.toLowerCase());
    headers.set(name.toLowerCase(), before === undefined ? value : `${before}, ${value}`);
  }
  return headers;
}

interface Framing {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly method: string;
  readonly isOver: boolean;
}

interface Framed {
  readonly body: Buffer;
  readonly rest: Buffer;
  readonly isLast: boolean;
}

function frame(after: Buffer, { status, headers, method, isOver }: Framing): Framed | undefined {
  const length = headers.get("content-length");
  if (method === "HEAD" || status === 204 || status === 304) {
    return { body: Buffer.alloc(0), rest: after, isLast: false };
  }
  if (headers.get("transfer-encoding") === "chunked") {
    if (length !== undefined) throw new Error("the answer has a length as well as chunks");
    return chunked(after);
  }
  if (length !== undefined) {
    if (!/^\d+$/.test(length)) throw new Error(`this is no length: ${length}`);
    const end = Number(length);
    if (after.length < end) return undefined;
    return { body: after.subarray(0, end), rest: after.subarray(end), isLast: false };
  }
  return isOver ? { body: after, rest: Buffer.alloc(0), isLast: true } : undefined;
}

function chunked(bytes: Buffer): Framed | undefined {
  const chunks: Buffer[] = [];
  for (let at = 0; ;) {
    const lineEnd = bytes.indexOf("\r\n", at);
    if (lineEnd === -1) return undefined;
    const line = bytes.toString("latin1", at, lineEnd);
    if (!/^[0-9a-f]+$/i.test(line)) throw new Error(`this is no chunk: ${line}`);
    const start = lineEnd + 2;
    const end = start + Number.parseInt(line, 16);
    if (bytes.length < end + 2) return undefined;
    if (bytes.toString("latin1", end, end + 2) !== "\r\n") throw new Error("a chunk is longer than it says");
    if (start === end) return { body: Buffer.concat(chunks), rest: bytes.subarray(end + 2), isLast: false };
    chunks.push(bytes.subarray(start, end));
    at = end + 2;
  }
}
