import assert from "node:assert/strict";
import { createContextKey, createContextValues } from "@connectrpc/connect";
import { withReadOptions } from "../../src/grpc/index.ts";
import { createCallOptions, traceOf } from "../../src/orchestrator/call-options.ts";
import { traceContextFrom } from "../../src/telemetry/trace-context.ts";

describe("callOptions", () => {
  const trace = traceContextFrom(undefined, undefined);

  it("sends no metadata for the admin", () => {
    assert.deepEqual(createCallOptions({ trace }, {}).headers, {});
  });

  it("sends the principal of an API key and nothing else", () => {
    const { headers } = createCallOptions({ trace, principal: "alice", keyHash: "abc" }, {});
    assert.deepEqual(headers, { "ff-principal": "alice" });
  });

  it("keeps the signal and the deadline", () => {
    const limits = { signal: AbortSignal.abort(), timeoutMs: 5 };
    const { signal, timeoutMs } = createCallOptions({ trace }, limits);
    assert.deepEqual({ signal, timeoutMs }, limits);
  });

  it("carries the trace as a value, which survives other read options", () => {
    const { contextValues } = createCallOptions({ trace }, {});
    assert.equal(traceOf(contextValues), trace);
    assert.equal(traceOf(withReadOptions({ readMaxBytes: 1 }, contextValues)), trace);
  });
});

describe("withReadOptions", () => {
  it("copies the context", () => {
    const key = createContextKey(0);
    const context = createContextValues().set(key, 1);
    const copy = withReadOptions({ readMaxBytes: 1 }, context);
    assert.equal(copy.get(key), 1);
    copy.set(key, 2);
    assert.equal(context.get(key), 1);
  });
});
