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

const safe = { safeToRepeat: true };
const secret = "db-7.internal: SELECT * FROM keys";

describe("errorAnswer", () => {
  const unknown: Code = JSON.parse("99");
  const codes = [...Object.values(Code).filter((code) => typeof code === "number"), unknown];
  for (const code of codes) {
    const { name, status } = codeMeaning(code);
    it(`answers ${status} ${name} to the upstream's code ${code}`, () => {
      const { body, headers, ...answer } = errorResponse(new ConnectError(secret, code), safe);
      assert.equal(answer.status, status);
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

  for (const safeToRepeat of [true, false])
    it(`calls DEADLINE_EXCEEDED ${safeToRepeat ? "" : "not "}retryable where repeating is ${safeToRepeat ? "" : "not "}safe`, () => {
      const { body } = errorResponse(new ConnectError("late", Code.DeadlineExceeded), { safeToRepeat });
      assert.equal(body.retryable, safeToRepeat);
    });

  it("does not let the safety of a repetition change any other code", () => {
    for (const code of codes.filter((code) => code !== Code.DeadlineExceeded)) {
      const error = new ConnectError("x", code);
      assert.deepEqual(errorResponse(error, { safeToRepeat: false }), errorResponse(error, safe));
    }
  });

  it("passes an upstream message of any script on as it is", () => {
    const message = 'no workflow "ä\n🧬" [not_found]';
    assert.equal(errorResponse(new ConnectError(message, Code.NotFound), safe).body.message, message);
  });

  it("gives the upstream's UNAUTHENTICATED the gateway's own 401", () => {
    const upstream = errorResponse(new ConnectError("key hash is unknown", Code.Unauthenticated), safe);
    assert.deepEqual(upstream, errorResponse(unauthenticated(), safe));
    assert.deepEqual(upstream, {
      status: 401,
      headers: { "WWW-Authenticate": "Bearer" },
      body: { code: "UNAUTHENTICATED", message: "a valid bearer token is required", retryable: false },
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
    it(`answers 500 to ${library}'s “${message}”`, () => {
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
    it(`answers ${status} to “${message}”`, () => {
      const answer = errorResponse(new ConnectError(message, code), safe);
      assert.deepEqual([answer.status, answer.body.message], [status, message]);
    });

  for (const thrown of [
    new TypeError(secret),
    secret,
    undefined,
    null,
    { code: Code.NotFound, message: secret },
  ])
    it(`tells nothing of a thrown ${Object.prototype.toString.call(thrown)}`, () => {
      assert.deepEqual(errorResponse(thrown, safe), {
        status: 500,
        headers: {},
        body: { code: "INTERNAL", message: "internal server error", retryable: false },
      });
    });

  it("adds the trace id", () => {
    assert.equal(errorResponse(unauthenticated(), { ...safe, traceId: "abc" }).body.trace_id, "abc");
  });

  it("lets a refusal replace the status and add headers", () => {
    const refusal = new HttpError(Code.InvalidArgument, "no", { status: 405, headers: { Allow: "GET" } });
    const { status, headers, body } = errorResponse(refusal, safe);
    assert.deepEqual([status, headers, body.code], [405, { Allow: "GET" }, "INVALID_ARGUMENT"]);
  });

  it("never sends the cause of a refusal", () => {
    const cause = new Error(secret);
    for (const [refusal, status] of [
      [internalError(cause), 500],
      [unavailable(cause), 503],
      [new HttpError(Code.NotFound, "gone", { cause }), 404],
    ] as const) {
      const answer = errorResponse(refusal, safe);
      assert.equal(answer.status, status);
      assert.ok(!JSON.stringify(answer).includes("db-7"));
      assert.equal(refusal.cause, cause);
    }
  });
});

describe("invalidRequest", () => {
  const fault = (index: number) => ({ path: `/body/${index}`, message: "is wrong" });

  it("lists each fault once, in order", () => {
    const faults = [fault(2), fault(1), fault(2), { ...fault(2), message: "is wrong too" }];
    const { status, body } = errorResponse(invalidRequest(faults), safe);
    assert.equal(status, 400);
    assert.deepEqual(body.details, [fault(2), fault(1), { ...fault(2), message: "is wrong too" }]);
  });

  it("lists a hundred faults at most, counted without repetitions", () => {
    const faults = Array.from({ length: 300 }, (_, index) => fault(Math.floor(index / 2)));
    const { body } = errorResponse(invalidRequest(faults), safe);
    assert.deepEqual(
      body.details,
      Array.from({ length: 100 }, (_, index) => fault(index)),
    );
  });

  it("cuts a path and a message to the length that the contract allows", () => {
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
