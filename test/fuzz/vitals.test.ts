import assert from "node:assert/strict";
import { readVitals } from "./vitals.ts";

const bounds = { waitMs: 100, residentBytes: 512 * 1024 * 1024 };
const peakResident = bounds.residentBytes;

describe("readVitals", () => {
  it("finds nothing beyond the bounds at the bounds", () => {
    const { lines, beyond } = readVitals({ wait: { longestMs: 100, ownMs: 100 }, peakResident }, bounds);
    assert.equal(lines.length, 2);
    assert.deepEqual(beyond, []);
  });

  it("allows a long wait in which others had the machine", () => {
    const { beyond } = readVitals({ wait: { longestMs: 5000, ownMs: 20 }, peakResident }, bounds);
    assert.deepEqual(beyond, []);
  });

  it("tells what is beyond its bound", () => {
    const wait = { longestMs: 150, ownMs: 101 };
    const { lines, beyond } = readVitals({ wait, peakResident: 2 * peakResident }, bounds);
    assert.deepEqual(beyond, lines);
  });

  it("does not judge what the system does not tell, and says so", () => {
    const wait = { longestMs: 5000, ownMs: undefined };
    const { lines, beyond } = readVitals({ wait, peakResident: undefined }, bounds);
    assert.deepEqual(beyond, []);
    for (const line of lines) assert.match(line, /this system does not tell/);
  });
});
