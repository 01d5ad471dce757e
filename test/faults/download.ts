import assert from "node:assert/strict";
import { request } from "node:http";
import type { IncomingHttpHeaders } from "node:http";
import { adminToken } from "../support/gateway.ts";

/** What a client must see: a status or, after the first bytes, a status of 500 or above or a failed transfer. */
export type Expected = 404 | 500 | 503 | "failure";

/** A download from the view of the client. */
export interface Download {
  /** 0 without a response. */
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** The received part of the body. */
  readonly body: Buffer;
  /** Whether the client considers the body complete. */
  readonly isComplete: boolean;
}

/** Downloads over a new connection. Never rejects: a failed transfer is a result like any other. */
export function download(url: string, headers: Record<string, string> = {}): Promise<Download> {
  return new Promise((resolve) => {
    const none = { status: 0, headers: {}, body: Buffer.alloc(0), isComplete: false };
    const outgoing = request(url, {
      headers: { Authorization: `Bearer ${adminToken}`, ...headers },
      agent: false,
    });
    outgoing
      .once("error", () => resolve(none))
      .once("response", (response) => {
        const chunks: Buffer[] = [];
        response
          .on("data", (chunk: Buffer) => chunks.push(chunk))
          .on("error", () => undefined)
          .once("close", () =>
            resolve({
              status: response.statusCode ?? 0,
              headers: response.headers,
              body: Buffer.concat(chunks),
              isComplete: response.complete,
            }),
          );
      })
      .end();
  });
}

/** Fails unless the client can see that it does not have the file. */
export function assertFailure({ status, headers, body, isComplete }: Download, expected: Expected): void {
  if (expected !== "failure") assert.equal(status, expected);
  if (status === 200 || status === 206) return assert.ok(!isComplete, "a wrong file looks complete");
  assert.ok(status === 404 || status >= 500, String(status));
  assert.ok(isComplete);
  const { code, message, retryable } = JSON.parse(body.toString()) as Record<string, unknown>;
  assert.deepEqual([code, message, retryable], errorBodies[status as keyof typeof errorBodies]);
  assert.equal(headers["retry-after"] !== undefined, status === 503);
  assert.equal(headers.etag, undefined);
}

const errorBodies = {
  404: ["NOT_FOUND", "artifact not found", false],
  500: ["INTERNAL", "internal server error", false],
  503: ["UNAVAILABLE", "internal server error", true],
} as const;
