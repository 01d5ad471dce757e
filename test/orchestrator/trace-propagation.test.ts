import assert from "node:assert/strict";
import { OrchestratorService } from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import { traceCalls } from "../../src/orchestrator/trace-propagation.ts";
import { createCallOptions } from "../../src/orchestrator/call-options.ts";
import { traceContextFrom, traceparentOf } from "../../src/telemetry/trace-context.ts";

describe("traceCalls", () => {
  const method = OrchestratorService.method.getWorkflow;
  const parent = traceContextFrom(
    "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00",
    "congo=t61rcWkgMzE",
  );

  it("sends the trace of the call's options", () => {
    const { contextValues } = createCallOptions({ trace: parent }, {});
    const { metadata } = traceCalls().started({ method, contextValues });
    assert.deepEqual(metadata, { traceparent: traceparentOf(parent), tracestate: "congo=t61rcWkgMzE" });
  });

  it("sends no tracestate if the client has sent none", () => {
    const trace = traceContextFrom(undefined, undefined);
    const { contextValues } = createCallOptions({ trace }, {});
    const { metadata } = traceCalls().started({ method, contextValues });
    assert.deepEqual(metadata, { traceparent: traceparentOf(trace) });
  });

  it("sends the trace of the call's own span, and ends that span with the code", () => {
    const trace = traceContextFrom(undefined, undefined);
    const seen: unknown[] = [];
    const observer = traceCalls((...started) => {
      seen.push(...started);
      return { trace, ended: (code) => seen.push(code) };
    });
    const { contextValues } = createCallOptions({ trace: parent }, {});
    const { metadata, ended } = observer.started({ method, contextValues });
    ended?.("NOT_FOUND");
    assert.deepEqual(metadata, { traceparent: traceparentOf(trace) });
    assert.deepEqual(seen, [method, parent, "NOT_FOUND"]);
  });
});
