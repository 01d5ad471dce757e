import type { ServerResponse } from "node:http";

/**
 * Breaks off an answer that is not whole, so that its client sees that. In HTTP/1.0 an answer without a length ends
 * with its connection, and only a reset tells that this is not its end.
 */
export function abortResponse(res: ServerResponse): void {
  if (res.req.httpVersion === "1.0") res.socket?.resetAndDestroy();
  res.destroy();
}
