import assert from "node:assert/strict";
import { Code, ConnectError } from "@connectrpc/connect";
import { codeMeaning } from "../../src/errors/codes.ts";
import { errorResponse } from "../../src/errors/error-response.ts";
import {
  internalError,
  invalidRequest,
  HttpError,
  unauthenticated,
  unavailable,
} from "../../src/errors/http-error.ts";

const safe = { isIdempotent: true };
const secret = "db-7.internal: SELECT * FROM keys";

describe("errorResponse", () => {
  const unknown: Code = JSON.parse("99");
  const codes = [...Object.values(Code).filter((code) => typeof code === "number"), unknown];
  for (const code of codes) {
    const { name, status } = codeMeaning(code);
    it(`returns ${status} ${name} for the orchestrator's code ${code}`, () => {
      const { body, headers, ...response } = errorResponse(new ConnectError(secret, code), safe);
      assert.equal(response.status, status);
      assert.equal(body.code, name);
      const verbatim = status < 500 && status !== 401;
      if (verbatim) assert.equal(body.message, secret);
      else assert.ok(!JSON.stringify({ body, headers }).includes("db-7"));
      if (status >= 500) assert.equal(body.message, "internal server error");
      assert.equal(headers["Retry-After"], { 429: "60", 503: "2" }[status]);
      assert.equal(headers["WWW-Authenticate"], status === 401 ? "Bearer" : undefined);
      assert.equal("details" in body, false);
      assert.equal("trace_id" in body, false);
    });
  }

  for (const isIdempotent of [true, false])
    it(`marks DEADLINE_EXCEEDED ${isIdempotent ? "" : "not "}retryable if repeating is ${isIdempotent ? "" : "not "}safe`, () => {
      const { body } = errorResponse(new ConnectError("late", Code.DeadlineExceeded), { isIdempotent });
      assert.equal(body.retryable, isIdempotent);
    });

  it("ignores isIdempotent for every other code", () => {
    for (const code of codes.filter((code) => code !== Code.DeadlineExceeded)) {
      const error = new ConnectError("x", code);
      assert.deepEqual(errorResponse(error, { isIdempotent: false }), errorResponse(error, safe));
    }
  });

  it("passes on an upstream message unchanged, in any script", () => {
    const message = 'no workflow "ä\n🧬" [not_found]';
    assert.equal(errorResponse(new ConnectError(message, Code.NotFound), safe).body.message, message);
  });

  it("returns the gateway's own 401 for the orchestrator's UNAUTHENTICATED", () => {
    const upstream = errorResponse(new ConnectError("key hash is unknown", Code.Unauthenticated), safe);
    assert.deepEqual(upstream, errorResponse(unauthenticated(), safe));
    assert.deepEqual(upstream, {
      status: 401,
      headers: { "WWW-Authenticate": "Bearer" },
      body: {
        code: "UNAUTHENTICATED",
        message: "a valid bearer token is required: send the header Authorization: Bearer <token>",
        retryable: false,
      },
    });
  });

  for (const [library, code, message] of [
    [
      "connect",
      Code.ResourceExhausted,
      "message size 70000000 is larger than configured readMaxBytes 67108864",
    ],
    ["connect", Code.ResourceExhausted, "message size is larger than configured readMaxBytes 67108864"],
    ["grpc-js", Code.ResourceExhausted, "Received message larger than max (70000000 vs 4194304)"],
    ["grpc-js", Code.ResourceExhausted, "Sent message larger than max (70000000 vs. 4194304)"],
    ["grpc-go", Code.ResourceExhausted, "grpc: received message larger than max (70000000 vs. 4194304)"],
    ["grpc-go", Code.ResourceExhausted, "trying to send message larger than max (70000000 vs. 4194304)"],
    ["grpc-java", Code.ResourceExhausted, "gRPC message exceeds maximum size 4194304: 70000000"],
    ["grpc-java", Code.ResourceExhausted, "Decompressed gRPC message exceeds maximum size 4194304"],
    ["C++", Code.ResourceExhausted, "CLIENT: Received message larger than max (70000000 vs. 4194304)"],
    ["C++", Code.ResourceExhausted, "SERVER: Sent message larger than max (70000000 vs. 4194304)"],
    [
      "connect",
      Code.ResourceExhausted,
      "message is larger than configured readMaxBytes 67108864 after decompression",
    ],
    ["grpc-js", Code.ResourceExhausted, "Received message that decompresses to a size larger than 4194304"],
    ["grpc-js", Code.ResourceExhausted, "Attempted to send message with a size larger than 4194304"],
    ["grpc-go", Code.ResourceExhausted, "grpc: message after decompression larger than max 4194304"],
    [
      "tonic",
      Code.OutOfRange,
      "Error, decoded message length too large: found 7 bytes, the limit is: 4 bytes",
    ],
    [
      "tonic",
      Code.OutOfRange,
      "Error, encoded message length too large: found 7 bytes, the limit is: 4 bytes",
    ],
  ] as const)
    it(`returns 500 for ${library}'s “${message}”`, () => {
      const { status, headers, body } = errorResponse(new ConnectError(message, code), safe);
      assert.equal(status, 500);
      assert.deepEqual(headers, {});
      assert.deepEqual(body, { code: "INTERNAL", message: "internal server error", retryable: false });
    });

  for (const [status, code, message] of [
    [429, Code.ResourceExhausted, "quota exhausted: 100 submissions per window"],
    [429, Code.ResourceExhausted, "too many workflows are queued; limit is 20"],
    [400, Code.OutOfRange, "page_token lies beyond the last page"],
    [400, Code.InvalidArgument, "message size must be positive"],
  ] as const)
    it(`returns ${status} for “${message}”`, () => {
      const response = errorResponse(new ConnectError(message, code), safe);
      assert.deepEqual([response.status, response.body.message], [status, message]);
    });

  for (const thrown of [
    new TypeError(secret),
    secret,
    undefined,
    null,
    { code: Code.NotFound, message: secret },
  ])
    it(`reveals nothing of a thrown ${Object.prototype.toString.call(thrown)}`, () => {
      assert.deepEqual(errorResponse(thrown, safe), {
        status: 500,
        headers: {},
        body: { code: "INTERNAL", message: "internal server error", retryable: false },
      });
    });

  it("adds the trace id", () => {
    assert.equal(errorResponse(unauthenticated(), { ...safe, traceId: "abc" }).body.trace_id, "abc");
  });

  it("uses the status and the headers of an HttpError", () => {
    const httpError = new HttpError(Code.InvalidArgument, "no", { status: 405, headers: { Allow: "GET" } });
    const { status, headers, body } = errorResponse(httpError, safe);
    assert.deepEqual([status, headers, body.code], [405, { Allow: "GET" }, "INVALID_ARGUMENT"]);
  });

  it("never sends the cause of an HttpError", () => {
    const cause = new Error(secret);
    for (const [httpError, status] of [
      [internalError(cause), 500],
      [unavailable(cause), 503],
      [new HttpError(Code.NotFound, "gone", { cause }), 404],
    ] as const) {
      const response = errorResponse(httpError, safe);
      assert.equal(response.status, status);
      assert.ok(!JSON.stringify(response).includes("db-7"));
      assert.equal(httpError.cause, cause);
    }
  });
});

describe("invalidRequest", () => {
  const violation = (index: number) => ({ path: `/body/${index}`, message: "is wrong" });

  it("lists each violation once, in order", () => {
    const violations = [
      violation(2),
      violation(1),
      violation(2),
      { ...violation(2), message: "is wrong too" },
    ];
    const { status, body } = errorResponse(invalidRequest(violations), safe);
    assert.equal(status, 400);
    assert.deepEqual(body.details, [
      violation(2),
      violation(1),
      { ...violation(2), message: "is wrong too" },
    ]);
  });

  it("lists at most 100 distinct violations", () => {
    const violations = Array.from({ length: 300 }, (_, index) => violation(Math.floor(index / 2)));
    const { body } = errorResponse(invalidRequest(violations), safe);
    assert.deepEqual(
      body.details,
      Array.from({ length: 100 }, (_, index) => violation(index)),
    );
  });

  for (const [count, message] of [
    [1, "/body/0 is wrong"],
    [2, "/body/0 is wrong (and 1 more)"],
    [99, "/body/0 is wrong (and 98 more)"],
    [300, "/body/0 is wrong (and at least 99 more)"],
  ] as const)
    it(`names the first violation of ${count} in the message`, () => {
      const violations = Array.from({ length: count }, (_, index) => violation(index));
      assert.equal(errorResponse(invalidRequest(violations), safe).body.message, message);
    });

  it("bounds the length of the message", () => {
    const { message } = invalidRequest([{ path: "/".repeat(5000), message: "m".repeat(5000) }, violation(1)]);
    assert.equal(message, `${"/".repeat(255)}… ${"m".repeat(255)}… (and 1 more)`);
  });

  it("writes well-formed Unicode, whatever the client has sent or a limit has cut", () => {
    const violations = [{ path: `/body/\ud800`, message: `${"m".repeat(4094)}🧬🧬` }];
    const { body } = errorResponse(invalidRequest(violations), safe);
    assert.doesNotMatch(JSON.stringify(body), /\\ud/);
    assert.equal(body.details?.[0]?.path, "/body/\ufffd");
  });

  it("truncates a path and a message to the contract's limit", () => {
    const { body } = errorResponse(
      invalidRequest([{ path: "/".repeat(5000), message: "m".repeat(5000) }]),
      safe,
    );
    const [only] = body.details ?? [];
    assert.equal(only?.path.length, 4096);
    assert.equal(only.message.length, 4096);
    assert.ok(only.path.endsWith("…"));
  });
});
