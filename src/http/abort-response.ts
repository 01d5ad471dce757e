import type { ServerResponse } from "node:http";

/**
 * Aborts an incomplete response so that the client notices. In HTTP/1.0 the end of the connection ends a response without
 * a length, so only a reset shows that it is incomplete.
 */
export function abortResponse(res: ServerResponse): void {
  if (res.req.httpVersion === "1.0") res.socket?.resetAndDestroy();
  res.destroy();
}
