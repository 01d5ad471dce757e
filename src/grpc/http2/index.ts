/** The client side of HTTP/2 (RFC 9113), which knows nothing of gRPC. */
export type {
  ClientConnection,
  ConnectionListener,
  ConnectionOptions,
  ConnectionState,
} from "./client-connection.ts";
export { Connection } from "./connection.ts";
export { errorCode } from "./protocol.ts";
export type { HeaderFields, RequestStream, StreamEnd, StreamListener, StreamRequest } from "./stream.ts";
