import assert from "node:assert/strict";
import { longestOf, readVitals } from "./vitals.ts";

const bounds = { waitMs: 100, residentBytes: 512 * 1024 * 1024 };
const peakResident = bounds.residentBytes;

describe("readVitals", () => {
  it("accepts measurements equal to their bounds", () => {
    const { lines, exceeded } = readVitals({ wait: { longestMs: 100, ownMs: 100 }, peakResident }, bounds);
    assert.equal(lines.length, 2);
    assert.deepEqual(exceeded, []);
  });

  it("accepts a long wait during which other programs ran", () => {
    const { exceeded } = readVitals({ wait: { longestMs: 5000, ownMs: 20 }, peakResident }, bounds);
    assert.deepEqual(exceeded, []);
  });

  it("reports measurements above their bounds", () => {
    const wait = { longestMs: 150, ownMs: 101 };
    const { lines, exceeded } = readVitals({ wait, peakResident: 2 * peakResident }, bounds);
    assert.deepEqual(exceeded, lines);
  });

  it("does not check what the system does not report", () => {
    const wait = { longestMs: 5000, ownMs: undefined };
    const { lines, exceeded } = readVitals({ wait, peakResident: undefined }, bounds);
    assert.deepEqual(exceeded, []);
    for (const line of lines) assert.match(line, /this system does not report/);
  });
});

describe("longestOf", () => {
  it("has the longest wait, and the longest time that the gateway ran, each of any period", () => {
    const waits = [
      { longestMs: 50, ownMs: 40 },
      { longestMs: 80, ownMs: 10 },
      { longestMs: 0, ownMs: undefined },
    ];
    assert.deepEqual(longestOf(waits), { longestMs: 80, ownMs: 40 });
    assert.deepEqual(longestOf(waits.slice(2)), { longestMs: 0, ownMs: undefined });
  });
});
