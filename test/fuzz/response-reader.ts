/** A response, parsed from its bytes. */
export interface WireResponse {
  readonly status: number;
  /** By lower-case name. Repeated headers are joined by a comma. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Buffer;
  /** Whether it is the last response on its connection. */
  readonly isLast: boolean;
}

/** The connection ended in the middle of a response. */
export class IncompleteResponse extends Error {}

/** A complete response, and the bytes after it. */
interface ReadResult {
  readonly response: WireResponse;
  readonly rest: Buffer;
}

/**
 * Parses the first final response in `bytes` (RFC 9112 §6.3). Returns undefined while it is incomplete. `isOver` says
 * that no more bytes follow: then it throws an IncompleteResponse. Throws an Error if the bytes are not HTTP/1.1.
 */
export function readResponse(bytes: Buffer, method: string, isOver: boolean): ReadResult | undefined {
  const read = parseResponse(bytes, method, isOver);
  if (read === undefined && isOver)
    throw new IncompleteResponse("the connection ended in the middle of a response");
  return read;
}

function parseResponse(bytes: Buffer, method: string, isOver: boolean): ReadResult | undefined {
  const headEnd = bytes.indexOf("\r\n\r\n");
  if (headEnd === -1) return undefined;
  const [statusLine = "", ...lines] = bytes.toString("latin1", 0, headEnd).split("\r\n");
  const status = Number(/^HTTP\/1\.1 ([1-5]\d\d) [\t -~]*$/.exec(statusLine)?.[1]);
  if (Number.isNaN(status)) throw new Error(`this is not a status line: ${statusLine}`);
  const after = bytes.subarray(headEnd + 4);
  // Interim responses precede the final one.
  if (status < 200) return parseResponse(after, method, isOver);

  const headers = headersFrom(lines);
  const body = readBody(after, { status, headers, method, isOver });
  if (body === undefined) return undefined;
  const isLast = body.isLast || headers.get("connection")?.toLowerCase() === "close";
  return { response: { status, headers, body: body.bytes, isLast }, rest: body.rest };
}

function headersFrom(lines: readonly string[]): Map<string, string> {
  const headers = new Map<string, string>();
  for (const line of lines) {
    const [, name, value = ""] = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*$/s.exec(line) ?? [];
    if (name === undefined || /[\0\r\n]/.test(value)) throw new Error(`this is not a header: ${line}`);
    const before = headers.get(name.toLowerCase());
    headers.set(name.toLowerCase(), before === undefined ? value : `${before}, ${value}`);
  }
  return headers;
}

interface ResponseStart {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly method: string;
  readonly isOver: boolean;
}

interface Body {
  readonly bytes: Buffer;
  readonly rest: Buffer;
  readonly isLast: boolean;
}

function readBody(after: Buffer, { status, headers, method, isOver }: ResponseStart): Body | undefined {
  const length = headers.get("content-length");
  if (method === "HEAD" || status === 204 || status === 304) {
    return { bytes: Buffer.alloc(0), rest: after, isLast: false };
  }
  if (headers.get("transfer-encoding") === "chunked") {
    if (length !== undefined) throw new Error("the response has a length and chunks");
    return readChunks(after);
  }
  if (length !== undefined) {
    if (!/^\d+$/.test(length)) throw new Error(`this is not a length: ${length}`);
    const end = Number(length);
    if (after.length < end) return undefined;
    return { bytes: after.subarray(0, end), rest: after.subarray(end), isLast: false };
  }
  return isOver ? { bytes: after, rest: Buffer.alloc(0), isLast: true } : undefined;
}

function readChunks(bytes: Buffer): Body | undefined {
  const chunks: Buffer[] = [];
  for (let at = 0; ;) {
    const lineEnd = bytes.indexOf("\r\n", at);
    if (lineEnd === -1) return undefined;
    const line = bytes.toString("latin1", at, lineEnd);
    if (!/^[0-9a-f]+$/i.test(line)) throw new Error(`this is not a chunk: ${line}`);
    const start = lineEnd + 2;
    const end = start + Number.parseInt(line, 16);
    if (bytes.length < end + 2) return undefined;
    if (bytes.toString("latin1", end, end + 2) !== "\r\n") throw new Error("a chunk is longer than its size");
    if (start === end) return { bytes: Buffer.concat(chunks), rest: bytes.subarray(end + 2), isLast: false };
    chunks.push(bytes.subarray(start, end));
    at = end + 2;
  }
}
