import type { ServerResponse } from "node:http";

/** Answers with `text`, which is JSON, under the status that is set. */
export function sendJsonText(res: ServerResponse, text: string): void {
  res.setHeader("Content-Type", "application/json; charset=utf-8");
  res.setHeader("Content-Length", Buffer.byteLength(text));
  res.end(text);
}

/** Answers with `body` as JSON; takes the place of Express's `res.json`, which does the same with more settings. */
export function sendJson<Res extends ServerResponse>(this: Res, body: unknown): Res {
  sendJsonText(this, JSON.stringify(body));
  return this;
}
