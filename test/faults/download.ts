import assert from "node:assert/strict";
import { request } from "node:http";
import type { IncomingHttpHeaders } from "node:http";
import { adminToken } from "../support/gateway.ts";

/** What a client must see: a status or, once bytes may have gone out, a status from 500 on or a failed transfer. */
export type Expected = 404 | 500 | 503 | "failure";

/** A download as a client saw it. */
export interface Download {
  /** 0 when no answer came. */
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** What has come of the body. */
  readonly body: Buffer;
  /** Whether the client takes the body for the whole of what was announced. */
  readonly isComplete: boolean;
}

/** Downloads over a connection of its own. Never rejects: a failed transfer is an outcome like any other. */
export function download(url: string, headers: Record<string, string> = {}): Promise<Download> {
  return new Promise((resolve) => {
    const nothing = { status: 0, headers: {}, body: Buffer.alloc(0), isComplete: false };
    const outgoing = request(url, {
      headers: { Authorization: `Bearer ${adminToken}`, ...headers },
      agent: false,
    });
    outgoing
      .once("error", () => resolve(nothing))
      .once("response", (answer) => {
        const chunks: Buffer[] = [];
        answer
          .on("data", (chunk: Buffer) => chunks.push(chunk))
          .on("error", () => undefined)
          .once("close", () =>
            resolve({
              status: answer.statusCode ?? 0,
              headers: answer.headers,
              body: Buffer.concat(chunks),
              isComplete: answer.complete,
            }),
          );
      })
      .end();
  });
}

/** Fails unless the client can tell that it has not got the file. */
export function assertFailure({ status, headers, body, isComplete }: Download, expected: Expected): void {
  if (expected !== "failure") assert.equal(status, expected);
  if (status === 200 || status === 206) return assert.ok(!isComplete, "a wrong file looks whole");
  assert.ok(status === 404 || status >= 500, String(status));
  assert.ok(isComplete);
  const { code, message, retryable } = JSON.parse(body.toString()) as Record<string, unknown>;
  assert.deepEqual([code, message, retryable], answers[status as keyof typeof answers]);
  assert.equal(headers["retry-after"] !== undefined, status === 503);
  assert.equal(headers.etag, undefined);
}

const answers = {
  404: ["NOT_FOUND", "artifact not found", false],
  500: ["INTERNAL", "internal server error", false],
  503: ["UNAVAILABLE", "internal server error", true],
} as const;
