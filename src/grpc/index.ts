/** A Connect transport for gRPC over HTTP/2; see README.md. */
export { hostOf, resolvedAddress } from "./address.ts";
export { Channel } from "./channel.ts";
export { EncodedMessage } from "./encoded-message.ts";
export { tooLargeBytes } from "./envelope.ts";
export { defaultKeepalive } from "./keepalive.ts";
export type { KeepaliveOptions } from "./keepalive.ts";
export { unboundedMemory } from "./message-memory.ts";
export type { MemoryLease, MessageMemory } from "./message-memory.ts";
export type { CallObservation, CallObserver, StartedCall } from "./observer.ts";
/** Loads node:http2. */
export const importNodeConnection = () => import("./node-connection.ts");
export { createResolver } from "./resolver.ts";
export type { LookUp } from "./resolver.ts";
export type { CreateConnection } from "./session.ts";
export { codeNameOf } from "./status.ts";
export { createGrpcTransport, createServerStreamFunction, withReadOptions } from "./transport.ts";
export type { GrpcTransportOptions } from "./transport.ts";
export { callUnary } from "./unary.ts";
