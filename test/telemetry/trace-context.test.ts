import assert from "node:assert/strict";
import { parentContextFrom, traceContextFrom, traceparentOf } from "../../src/telemetry/trace-context.ts";

const traceId = "4bf92f3577b34da6a3ce929d0e0e4736";
const parentId = "00f067aa0ba902b7";
const valid = `00-${traceId}-${parentId}-01`;

describe("parentContextFrom", () => {
  it("returns the span of the sender", () => {
    const parent = { traceId, spanId: parentId, flags: "01" };
    assert.deepEqual(parentContextFrom(valid, undefined), parent);
    assert.deepEqual(parentContextFrom(valid, "vendor=1"), { ...parent, tracestate: "vendor=1" });
  });

  it("returns undefined without a valid traceparent", () => {
    assert.equal(parentContextFrom(undefined, "vendor=1"), undefined);
    assert.equal(parentContextFrom(`${valid}-more`, undefined), undefined);
  });
});

describe("traceContextFrom", () => {
  for (const [traceparent, flags] of [
    [valid, "01"],
    [`00-${traceId}-${parentId}-00`, "00"],
    [`00-${traceId}-${parentId}-ff`, "ff"],
    [`01-${traceId}-${parentId}-01`, "01"],
    [`cc-${traceId}-${parentId}-01-what-the-future-will-bring`, "01"],
    [`fe-${traceId}-${parentId}-00-`, "00"],
  ] as const)
    it(`continues ${traceparent} with a new span`, () => {
      const trace = traceContextFrom(traceparent, undefined);
      assert.equal(trace.traceId, traceId);
      assert.equal(trace.flags, flags);
      assert.match(trace.spanId, /^[0-9a-f]{16}$/);
      assert.notEqual(trace.spanId, parentId);
      assert.equal("tracestate" in trace, false);
    });

  for (const traceparent of [
    undefined,
    "",
    "00",
    traceId,
    `ff-${traceId}-${parentId}-01`,
    `00-${"0".repeat(32)}-${parentId}-01`,
    `00-${traceId}-${"0".repeat(16)}-01`,
    `00-${traceId.toUpperCase()}-${parentId}-01`,
    `00-${traceId}-${parentId}-0`,
    `00-${traceId}-${parentId}-0g`,
    `00-${traceId}-${parentId}`,
    `00-${traceId.slice(1)}-${parentId}-01`,
    `00-${traceId}0-${parentId}-01`,
    `00-${traceId}-${parentId}-01-`,
    `00-${traceId}-${parentId}-01-more`,
    `01-${traceId}-${parentId}-01more`,
    `0-${traceId}-${parentId}-01`,
    ` ${valid}`,
    `${valid}\n`,
    `${valid}, ${valid}`,
    valid.replaceAll("-", "_"),
  ])
    it(`starts a trace for ${JSON.stringify(traceparent)}, without its tracestate`, () => {
      const trace = traceContextFrom(traceparent, "vendor=1");
      assert.match(trace.traceId, /^(?!0{32})[0-9a-f]{32}$/);
      assert.notEqual(trace.traceId, traceId);
      assert.match(trace.spanId, /^[0-9a-f]{16}$/);
      assert.equal(trace.flags, "01");
      assert.equal("tracestate" in trace, false);
    });

  it("starts a different trace each time", () => {
    const ids = Array.from({ length: 100 }, () => traceContextFrom(undefined, undefined).traceId);
    assert.equal(new Set(ids).size, 100);
  });

  for (const [what, tracestate, kept] of [
    ["drops a tracestate with other letters than ASCII's", "congo=é", false],
    ["drops a tracestate with control characters", "congo=a\tb", false],
    ["keeps a tracestate", "congo=t61rcWkgMzE,rojo=00f067aa0ba902b7", true],
    ["keeps a tracestate of 512 characters", `a=${"x".repeat(510)}`, true],
    ["drops a tracestate of 513 characters", `a=${"x".repeat(511)}`, false],
    ["drops an empty tracestate", "", false],
  ] as const)
    it(what, () =>
      assert.equal(traceContextFrom(valid, tracestate).tracestate, kept ? tracestate : undefined),
    );
});

describe("traceparentOf", () => {
  it("formats the trace in version 00", () => {
    const trace = traceContextFrom(`cc-${traceId}-${parentId}-00-future`, undefined);
    assert.equal(traceparentOf(trace), `00-${traceId}-${trace.spanId}-00`);
  });

  it("formats what parentContextFrom parses", () => {
    const trace = traceContextFrom(undefined, undefined);
    assert.equal(traceContextFrom(traceparentOf(trace), undefined).traceId, trace.traceId);
  });
});
