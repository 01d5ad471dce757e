import { once } from "node:events";
import { createServer } from "node:http2";
import type { ServerHttp2Session, ServerHttp2Stream } from "node:http2";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import { create, toBinary } from "@bufbuild/protobuf";
import {
  AuthenticateApiKeyResponseSchema,
  ConsumeQuotaResponseSchema,
} from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";

/** Returns the encoded response messages for the bytes of a request. */
export type EncodedRpc = (
  request: Uint8Array,
  stream: ServerHttp2Stream,
) => Iterable<Uint8Array> | AsyncIterable<Uint8Array>;

/** An orchestrator with encoded messages, so that large ones cost it almost nothing. */
export interface EncodedUpstream {
  readonly url: string;
  /** By their names; a missing one is UNIMPLEMENTED. */
  readonly rpcs: Record<string, EncodedRpc>;
  /** How often each was called. */
  readonly calls: ReadonlyMap<string, number>;
  /** The open connections, and how many streams each has now and has had at most. */
  readonly sessions: ReadonlyMap<ServerHttp2Session, { readonly now: number; readonly most: number }>;
  close(): Promise<void>;
}

const alice = create(AuthenticateApiKeyResponseSchema, { allowed: true, principal: "alice" });
const counted = create(ConsumeQuotaResponseSchema, { allowed: true });

/** Accepts every key as one of alice's, without a quota. */
export const allowAll: Readonly<Record<string, EncodedRpc>> = {
  AuthenticateApiKey: () => [toBinary(AuthenticateApiKeyResponseSchema, alice)],
  ConsumeQuota: () => [toBinary(ConsumeQuotaResponseSchema, counted)],
};

interface EncodedUpstreamOptions {
  /** A free one by default. */
  readonly port?: number;
  /** The streams that it allows on each connection. */
  readonly maxConcurrentStreams?: number;
}

/** Starts it on 127.0.0.1. */
export async function startEncodedUpstream(
  rpcs: Record<string, EncodedRpc> = {},
  { port = 0, maxConcurrentStreams }: EncodedUpstreamOptions = {},
): Promise<EncodedUpstream> {
  const calls = new Map<string, number>();
  const sessions = new Map<ServerHttp2Session, { now: number; most: number }>();
  // Clients that leave responses of many megabytes are what it is for; what they leave stays counted as the session's
  // memory (see src/sandbox/orchestrator-server.ts).
  const server = createServer({
    maxSessionMemory: 1e6,
    streamResetBurst: 1e6,
    streamResetRate: 1e6,
    settings: { maxConcurrentStreams },
  });
  server.on("session", (session) => {
    const streams = { now: 0, most: 0 };
    sessions.set(session, streams);
    session.on("stream", (stream) => {
      streams.most = Math.max(streams.most, (streams.now += 1));
      stream.once("close", () => (streams.now -= 1));
    });
    session.once("close", () => sessions.delete(session));
  });
  server.on("stream", (stream, headers) => {
    const name = String(headers[":path"]).split("/").at(-1) ?? "";
    calls.set(name, (calls.get(name) ?? 0) + 1);
    stream.on("error", () => undefined);
    void respond(stream, rpcs[name]).catch(() => stream.destroy());
  });
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    rpcs,
    calls,
    sessions,
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const session of sessions.keys()) session.destroy();
      await closed;
    },
  };
}

async function respond(stream: ServerHttp2Stream, rpc: EncodedRpc | undefined): Promise<void> {
  const head = { ":status": 200, "content-type": "application/grpc" } as const;
  const request = await buffer(stream);
  if (rpc === undefined) return stream.respond({ ...head, "grpc-status": "12" }, { endStream: true });
  stream.respond(head, { waitForTrailers: true });
  stream.once("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
  const messages = rpc(request.subarray(5), stream);
  await pipeline(async function* () {
    for await (const message of messages) {
      yield prefixOf(message);
      yield message;
    }
  }, stream);
}

/** The prefix of an uncompressed message, which follows without being copied. */
function prefixOf(message: Uint8Array): Uint8Array {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(message.byteLength, 1);
  return prefix;
}
