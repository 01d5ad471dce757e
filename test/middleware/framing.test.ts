import assert from "node:assert/strict";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import { HttpError } from "../../src/errors/http-error.ts";
import { framing } from "../../src/middleware/framing.ts";
import { adminToken, suite } from "../support/gateway.ts";
import { scaled } from "../support/machine.ts";
import { sendText } from "../support/raw-http.ts";
import { oneStep, workflowIn } from "../support/samples.ts";
import { callsDuring, startStack } from "../support/stack.ts";

const authorization = `Authorization: Bearer ${adminToken}\r\n`;
const own = `Host: x\r\n${authorization}`;
const line = "GET /v1/workflows/w1 HTTP/1.1\r\n";
const json = JSON.stringify(oneStep);
const chunks = `${json.length.toString(16)}\r\n${json}\r\n0\r\n\r\n`;
const post = (version: string, more: string) =>
  `POST /v1/workflows HTTP/${version}\r\n${own}Content-Type: application/json\r\n${more}\r\n`;

/** A request target of exactly so many bytes. */
const target = (bytes: number) => "/".padEnd(bytes, "x");

/** Headers that weigh, beside those that every request here has, so that all have this many bytes. */
function headers(bytes: number): string {
  const given = `Connection: close\r\n${own}X: \r\n`.length;
  return `X: ${"y".repeat(bytes - given)}\r\n`;
}

describe("framing", () => {
  const stack = suite(() =>
    startStack({
      getWorkflow: () => workflowIn(JobState.RUNNING),
      listWorkflows: () => ({}),
      submitWorkflow: () => workflowIn(JobState.QUEUED),
    }),
  );

  const rejected: [what: string, text: string, status: number, message: RegExp][] = [
    ["no Host", `${line}${authorization}\r\n`, 400, /Host/],
    ["two Host", `${line}${own}Host: x\r\n\r\n`, 400, /Host/],
    ["two Host over HTTP/1.0", `GET /v1/workflows/w1 HTTP/1.0\r\n${own}Host: y\r\n\r\n`, 400, /Host/],
    ["two Authorization", `${line}${own}${authorization}\r\n`, 400, /Authorization/],
    ["two Authorization in other letters", `${line}${own}AUTHORIZATION: x\r\n\r\n`, 400, /AUTHORIZATION/],
    ...[
      "a b/c@d",
      "user@x",
      "x/y",
      "x?y",
      "x#y",
      "x\\y",
      "x:y",
      "x:1:2",
      "[::1",
      "::1",
      "[x]",
      "%zz",
      "\xe9",
    ].map((host): [string, string, number, RegExp] => [
      `Host: ${host}`,
      `${line}Host: ${host}\r\n${authorization}\r\n`,
      400,
      /^Host must be a host/,
    ]),
    [
      "two Content-Type",
      post("1.1", `content-type: text/plain\r\nContent-Length: ${json.length}\r\n`) + json,
      400,
      /content-type must not be repeated/,
    ],
    [
      "two Idempotency-Key",
      post("1.1", `Idempotency-Key: a\r\nIdempotency-Key: b\r\nContent-Length: ${json.length}\r\n`) + json,
      400,
      /Idempotency-Key must not be repeated/,
    ],
    [
      "two Last-Event-ID",
      `GET /v1/workflows/w1/events HTTP/1.1\r\n${own}Last-Event-ID: 1\r\nLast-Event-ID: 2\r\n\r\n`,
      400,
      /Last-Event-ID must not be repeated/,
    ],
    [
      "two If-Unmodified-Since",
      `${line}${own}If-Unmodified-Since: x\r\nIf-Unmodified-Since: y\r\n\r\n`,
      400,
      /If-Unmodified-Since must not be repeated/,
    ],
    ["Transfer-Encoding over HTTP/1.0", post("1.0", "Transfer-Encoding: chunked\r\n") + chunks, 400, /1\.0/],
    ["Transfer-Encoding: xchunked", post("1.1", "Transfer-Encoding: xchunked\r\n") + chunks, 400, /chunked/],
    ["a second coding", post("1.1", "Transfer-Encoding: gzip, chunked\r\n") + chunks, 400, /chunked/],
    ["TE: xchunked", `${line}${own}TE: xchunked\r\n\r\n`, 400, /TE/],
    ["TE: trailers, xchunked", `${line}${own}TE: trailers, xchunked\r\n\r\n`, 400, /TE/],
    ["another expectation", `${line}${own}Expect: 200-ok\r\n\r\n`, 400, /Expect/],
    ["two expectations", post("1.1", "Expect: x, 100-continue\r\nContent-Length: 1\r\n"), 400, /Expect/],
    ["HTTP/2.0 in the first line", `GET /v1/workflows/w1 HTTP/2.0\r\n${own}\r\n`, 400, /HTTP\/1\.1/],
    ["HTTP/0.9", "GET /v1/healthz\r\n\r\n", 400, /HTTP\/1\.1/],
    ["a target of 8193 bytes", `GET ${target(8193)} HTTP/1.1\r\n${own}\r\n`, 414, /8192/],
    ["16385 bytes of headers", `${line}Connection: close\r\n${own}${headers(16_385)}\r\n`, 431, /16384/],
    ["4000 headers", `${line}${own}${"a:\r\n".repeat(4000)}\r\n`, 431, /16384/],
    [
      "an Authorization behind 2500 headers",
      `${line}${own}${"a:\r\n".repeat(2500)}${authorization}\r\n`,
      400,
      /A/,
    ],
  ];
  for (const [what, text, status, message] of rejected) {
    it(`responds ${status} to ${what} and closes the connection, without a call`, async () => {
      const calls = await callsDuring(stack().upstream, async () => {
        const response = await sendText(stack().gateway.url, text);
        assert.match(response, new RegExp(`^HTTP/1.1 ${status} `));
        assert.match(response, /^connection: close\r$/im);
        const { trace_id, ...body } = JSON.parse(response.slice(response.indexOf("\r\n\r\n")));
        assert.match(body.message, message);
        assert.deepEqual(
          { ...body, message: "" },
          { code: "INVALID_ARGUMENT", message: "", retryable: false },
        );
        const logged = stack().gateway.logs.filter((entry) => entry.trace_id === trace_id);
        assert.deepEqual(
          logged.map((entry) => [entry.event, entry["status"], entry["path"]]),
          [["request.completed", status, "(unmatched)"]],
        );
      });
      assert.deepEqual(calls, []);
    });
  }

  const served: [what: string, text: string, status: number][] = [
    ["no Host over HTTP/1.0", `GET /v1/workflows/w1 HTTP/1.0\r\n${authorization}\r\n`, 200],
    ["an empty Host", `${line}Host:\r\nConnection: close\r\n${authorization}\r\n`, 200],
    ...[
      "api.example.com",
      "API_1.example:8080",
      "x:",
      "127.0.0.1:80",
      "[::1]",
      "[2001:db8::1]:443",
      "%C3%A9",
    ].map((host): [string, string, number] => [
      `Host: ${host}`,
      `${line}Host: ${host}\r\nConnection: close\r\n${authorization}\r\n`,
      200,
    ]),
    [
      "Transfer-Encoding: Chunked",
      post("1.1", "Connection: close\r\nTransfer-Encoding: Chunked\r\n") + chunks,
      201,
    ],
    ["TE: trailers, gzip;q=0.5", `${line}Connection: close\r\n${own}TE: trailers, gzip;q=0.5\r\n\r\n`, 200],
    ["an empty TE", `${line}Connection: close\r\n${own}TE:\r\n\r\n`, 200],
    ["a target of 8192 bytes", `GET ${target(8192)} HTTP/1.1\r\nConnection: close\r\n${own}\r\n`, 404],
    ["16384 bytes of headers", `${line}Connection: close\r\n${own}${headers(16_384)}\r\n`, 200],
    ["2500 headers", `${line}Connection: close\r\n${own}${"a:\r\n".repeat(2500)}\r\n`, 200],
  ];
  for (const [what, text, status] of served) {
    it(`accepts ${what}`, async () => {
      const response = await sendText(stack().gateway.url, text);
      assert.match(response, new RegExp(`^HTTP/1.1 ${status} `));
    });
  }

  it("does not depend on the parser, which rejects some of this before", () => {
    const rawHeaders = ["Host", "x", "Content-Length", "1", "Transfer-Encoding", "chunked"];
    const req = { rawHeaders, headers: {}, httpVersion: "1.1", url: "/" } as unknown as Parameters<
      typeof framing
    >[0];
    let rejection: unknown;
    void framing(
      req,
      {} as unknown as Parameters<typeof framing>[1],
      (error?: unknown) => (rejection = error),
    );
    assert.ok(rejection instanceof HttpError);
  });

  it("parses a list of 8,000 codings quickly", async () => {
    const begin = performance.now();
    await sendText(stack().gateway.url, `${line}${own}TE: ${", ".repeat(8000)}x\r\n\r\n`);
    assert.ok(performance.now() - begin < scaled(2000));
  });
});
