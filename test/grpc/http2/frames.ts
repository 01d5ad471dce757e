import { frameFlag, frameType } from "../../../src/grpc/http2/protocol.ts";

const none = Buffer.alloc(0);

/** The bytes of an HTTP/2 frame. `length` replaces the length of the payload. */
export function frame(
  type: number,
  flags: number,
  streamId: number,
  payload: Uint8Array = none,
  length = payload.length,
): Buffer {
  const header = Buffer.alloc(9);
  header.writeUIntBE(length, 0, 3);
  header.writeUInt8(type, 3);
  header.writeUInt8(flags, 4);
  header.writeUInt32BE(streamId, 5);
  return Buffer.concat([header, payload]);
}

export function settings(...values: (readonly [name: number, value: number])[]): Buffer {
  const payload = Buffer.alloc(6 * values.length);
  values.forEach(([name, value], index) => {
    payload.writeUInt16BE(name, 6 * index);
    payload.writeUInt32BE(value, 6 * index + 2);
  });
  return frame(frameType.settings, 0, 0, payload);
}

export const settingsAck = frame(frameType.settings, frameFlag.ack, 0);

/** 32-bit numbers. */
export function words(...values: number[]): Buffer {
  const bytes = Buffer.alloc(4 * values.length);
  values.forEach((value, index) => bytes.writeUInt32BE(value, 4 * index));
  return bytes;
}

export function windowUpdate(streamId: number, bytes: number): Buffer {
  return frame(frameType.windowUpdate, 0, streamId, words(bytes));
}

export function reset(streamId: number, code: number): Buffer {
  return frame(frameType.rstStream, 0, streamId, words(code));
}

export function goaway(lastStreamId: number, code: number, debugData = ""): Buffer {
  return frame(
    frameType.goaway,
    0,
    0,
    Buffer.concat([words(lastStreamId, code), Buffer.from(debugData, "latin1")]),
  );
}

export function ping(payload: Uint8Array = Buffer.alloc(8), flags = 0): Buffer {
  return frame(frameType.ping, flags, 0, payload);
}

export function data(streamId: number, bytes: Uint8Array | string, ends?: "ends"): Buffer {
  return frame(
    frameType.data,
    ends ? frameFlag.endStream : 0,
    streamId,
    typeof bytes === "string" ? Buffer.from(bytes) : bytes,
  );
}

/** Header fields; a list can repeat names. */
export type Fields = Readonly<Record<string, string>> | readonly (readonly [name: string, value: string])[];

/** HEADERS with literals that are not added to the table, in frames of up to 16 KiB. */
export function headers(streamId: number, fields: Fields, ends?: "ends"): Buffer {
  return blockFrames(streamId, block(fields), ends);
}

/** A header block in HEADERS and as many CONTINUATION frames as it needs. */
export function blockFrames(streamId: number, bytes: Buffer, ends?: "ends"): Buffer {
  const frames: Buffer[] = [];
  for (let start = 0; start === 0 || start < bytes.length; start += 16_384) {
    const isLast = start + 16_384 >= bytes.length;
    const flags =
      (isLast ? frameFlag.endHeaders : 0) | (start === 0 && ends !== undefined ? frameFlag.endStream : 0);
    const type = start === 0 ? frameType.headers : frameType.continuation;
    frames.push(frame(type, flags, streamId, bytes.subarray(start, start + 16_384)));
  }
  return Buffer.concat(frames);
}

/** An HPACK block of literals with plain strings; with `flags` of 0x40 they are added to the table. */
export function block(fields: Fields, flags = 0): Buffer {
  const entries = Array.isArray(fields)
    ? (fields as readonly (readonly [string, string])[])
    : Object.entries(fields);
  return Buffer.concat(
    entries.flatMap(([name, value]) => [Buffer.of(flags), plainString(name), plainString(value)]),
  );
}

/** Its length is an integer with a prefix of 7 bits (RFC 7541 §5.1). */
function plainString(text: string): Buffer {
  const length = [text.length];
  if (text.length >= 127) {
    length[0] = 127;
    let rest = text.length - 127;
    for (; rest >= 128; rest >>>= 7) length.push((rest & 127) | 128);
    length.push(rest);
  }
  return Buffer.concat([Buffer.from(length), Buffer.from(text, "latin1")]);
}

/** A whole response, with the given status, a body and trailers. */
export function response(streamId: number, body = "body"): Buffer {
  return Buffer.concat([
    headers(streamId, { ":status": "200" }),
    data(streamId, body),
    headers(streamId, { "grpc-status": "0" }, "ends"),
  ]);
}
