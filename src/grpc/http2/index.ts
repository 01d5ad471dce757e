/** The client side of HTTP/2 (RFC 9113), which knows nothing of gRPC. */
export { Connection } from "./connection.ts";
export type { ConnectionListener, ConnectionState } from "./connection.ts";
export { errorCode } from "./protocol.ts";
export { Stream } from "./stream.ts";
export type { HeaderFields, StreamEnd, StreamListener, StreamRequest } from "./stream.ts";
