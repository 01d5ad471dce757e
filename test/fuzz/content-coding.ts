import { brotliDecompressSync, gunzipSync } from "node:zlib";
import type { WireResponse } from "./response-reader.ts";
import type { WireRequest } from "./wire-request.ts";

const decoders: ReadonlyMap<string, (bytes: Buffer) => Buffer> = new Map([
  ["br", brotliDecompressSync],
  ["gzip", gunzipSync],
]);

/** The decoded response. Throws if the client has not accepted the coding, or the body is not encoded in it. */
export function withoutCoding({ headers: sent }: WireRequest, response: WireResponse): WireResponse {
  const coding = response.headers.get("content-encoding");
  if (coding === undefined) return response;
  const isAccepted = sent.some(([name]) => name.toLowerCase() === "accept-encoding");
  const decode = decoders.get(coding);
  if (decode === undefined || !isAccepted)
    throw new Error(`the client has not accepted the coding ${coding}`);
  // A response to HEAD has the headers of a body, but no body.
  return response.body.length === 0 ? response : { ...response, body: decode(response.body) };
}
