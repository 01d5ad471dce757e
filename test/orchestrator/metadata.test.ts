import assert from "node:assert/strict";
import { outgoingMetadata } from "../../src/orchestrator/metadata.ts";
import { traceContextFrom, traceparentOf } from "../../src/telemetry/trace-context.ts";

const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";

describe("outgoingMetadata", () => {
  const plain = traceContextFrom(traceparent, undefined);
  const vendor = traceContextFrom(traceparent, "congo=t61rcWkgMzE");

  for (const [what, trace, principal, expected] of [
    ["the trace alone for the admin", plain, undefined, {}],
    ["the principal of a key", plain, "alice", { "ff-principal": "alice" }],
    ["the client's tracestate", vendor, undefined, { tracestate: "congo=t61rcWkgMzE" }],
    ["all three", vendor, "alice", { "ff-principal": "alice", tracestate: "congo=t61rcWkgMzE" }],
  ] as const)
    it(`sends ${what} and nothing else`, () => {
      assert.deepEqual(outgoingMetadata(trace, principal), {
        traceparent: traceparentOf(trace),
        ...expected,
      });
    });
});
