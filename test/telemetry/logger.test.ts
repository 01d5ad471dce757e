import assert from "node:assert/strict";
import { ConnectError, Code } from "@connectrpc/connect";
import { createLogger, withoutMinimumLevel } from "../../src/telemetry/logger.ts";

/** A logger, and the lines that it has written. */
function setUp() {
  const lines: string[] = [];
  const logger = createLogger({ write: (line) => void lines.push(line) });
  return { logger, lines, logged: (index = 0) => JSON.parse(lines[index]!) };
}

describe("createLogger", () => {
  it("writes one JSON line per entry, with level, time and bindings", () => {
    const { logger, lines, logged } = setUp();
    logger.child({ trace_id: "abc" }).info({ event: "e", text: "two\nlines" }, "e");
    logger.error("plain");
    assert.equal(lines.length, 2);
    for (const line of lines) assert.match(line, /^[^\n]+\n$/);
    const { time, ...entry } = logged();
    assert.deepEqual(entry, { level: "info", trace_id: "abc", event: "e", text: "two\nlines", msg: "e" });
    assert.equal(new Date(time).toISOString(), time);
    assert.equal(logged(1).level, "error");
  });

  for (const [level, written] of [
    ["trace", ["trace", "info", "error", "fatal"]],
    ["info", ["info", "error", "fatal"]],
    ["fatal", ["fatal"]],
  ] as const)
    it(`writes entries of at least the minimum log level ${level}`, () => {
      const lines: string[] = [];
      const logger = createLogger({ write: (line) => void lines.push(line) }, level);
      for (const each of ["trace", "info", "error", "fatal"] as const) logger[each]("x");
      assert.deepEqual(
        lines.map((line) => JSON.parse(line).level),
        written,
      );
    });

  it("writes type, message, code, stack and cause of an error, and nothing else", () => {
    const { logger, lines, logged } = setUp();
    const cause = Object.assign(new RangeError("below"), {
      $response: { headers: { authorization: "hidden" } },
    });
    const err = Object.assign(new TypeError("above", { cause }), {
      body: "hidden",
      code: "E_CODE",
      config: "hidden",
    });
    logger.error({ err }, "failed");
    assert.deepEqual(logged().err, {
      type: "TypeError",
      message: "above",
      code: "E_CODE",
      stack: err.stack,
      cause: { type: "RangeError", message: "below", stack: cause.stack },
    });
    assert.ok(!lines.join("").includes("hidden"));
  });

  it("writes the code of a gRPC error and not its metadata", () => {
    const { logger, lines, logged } = setUp();
    logger.warn({ err: new ConnectError("gone", Code.NotFound, { "x-secret": "hidden" }) });
    assert.equal(logged().err.code, Code.NotFound);
    assert.ok(!lines.join("").includes("hidden"));
  });

  it("omits a code that is neither a string nor a number", () => {
    const { logger, lines, logged } = setUp();
    logger.error({ err: Object.assign(new Error("x"), { code: { token: "hidden" } }) });
    assert.equal("code" in logged().err, false);
    assert.ok(!lines.join("").includes("hidden"));
  });

  it("writes at most five causes, also of a circular chain", () => {
    const { logger, logged } = setUp();
    const err = new Error("ouroboros");
    err.cause = err;
    logger.error({ err });
    let depth = 0;
    for (let at = logged().err; at.cause !== undefined; at = at.cause) depth += 1;
    assert.equal(depth, 5);
  });

  for (const [thrown, message] of [
    ["text", "text"],
    [undefined, undefined],
    [null, "null"],
    [{ body: "hidden" }, "[object Object]"],
  ] as const)
    it(`writes only the text of a thrown ${JSON.stringify(thrown)}`, () => {
      const { logger, logged } = setUp();
      logger.error({ err: thrown });
      assert.deepEqual(logged().err, message === undefined ? undefined : { message });
    });
});

describe("withoutMinimumLevel", () => {
  it("writes entries below the minimum log level of its logger, which does not change", () => {
    const lines: string[] = [];
    const logger = createLogger({ write: (line) => void lines.push(line) }, "fatal");
    withoutMinimumLevel(logger).info("always");
    logger.error("never");
    assert.deepEqual(
      lines.map((line) => JSON.parse(line).msg),
      ["always"],
    );
  });
});
