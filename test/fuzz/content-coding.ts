import { brotliDecompressSync, gunzipSync } from "node:zlib";
import type { Answer } from "./answer-reader.ts";
import type { WireRequest } from "./wire.ts";

const decoders: ReadonlyMap<string, (bytes: Buffer) => Buffer> = new Map([
  ["br", brotliDecompressSync],
  ["gzip", gunzipSync],
]);

/** An answer without its content coding; throws where nobody asked for it, or the body is not in it. */
export function withoutCoding({ headers: sent }: WireRequest, answer: Answer): Answer {
  const coding = answer.headers.get("content-encoding");
  if (coding === undefined) return answer;
  const isAskedFor = sent.some(([name]) => name.toLowerCase() === "accept-encoding");
  const decode = decoders.get(coding);
  if (decode === undefined || !isAskedFor) throw new Error(`nobody asked for the coding ${coding}`);
  // HEAD has the headers of a body, and none.
  return answer.body.length === 0 ? answer : { ...answer, body: decode(answer.body) };
}
