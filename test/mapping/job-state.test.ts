import assert from "node:assert/strict";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import { isKnownState, isTerminal, jobStateFromJson, jobStateToJson } from "../../src/mapping/job-state.ts";

const states = [
  [JobState.QUEUED, "QUEUED", false],
  [JobState.RUNNING, "RUNNING", false],
  [JobState.SUCCEEDED, "SUCCEEDED", true],
  [JobState.FAILED, "FAILED", true],
  [JobState.CANCELLED, "CANCELLED", true],
] as const;

describe("jobStateToJson", () => {
  for (const [state, name] of states)
    it(`returns ${name} for ${state}`, () => assert.equal(jobStateToJson(state), name));

  it("returns QUEUED for the unspecified state", () => {
    assert.equal(jobStateToJson(JobState.UNSPECIFIED), "QUEUED");
  });

  for (const unknown of [6, -1, 99])
    it(`returns UNKNOWN for the state ${unknown}`, () => assert.equal(jobStateToJson(unknown), "UNKNOWN"));
});

describe("isKnownState", () => {
  for (const [state, isKnown] of [
    [0, true],
    [5, true],
    [6, false],
    [-1, false],
    [2 ** 31 - 1, false],
  ] as const)
    it(`returns ${isKnown} for ${state}`, () => assert.equal(isKnownState(state), isKnown));
});

describe("jobStateFromJson", () => {
  for (const [state, name] of states)
    it(`returns ${state} for ${name}`, () => assert.equal(jobStateFromJson(name), state));
});

describe("isTerminal", () => {
  for (const [state, name, terminal] of [
    ...states,
    [JobState.UNSPECIFIED, "an unspecified state", false] as const,
  ])
    it(`returns ${terminal} for ${name}`, () => assert.equal(isTerminal(state), terminal));
});
