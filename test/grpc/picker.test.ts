import assert from "node:assert/strict";
import { Picker } from "../../src/grpc/picker.ts";
import type { SubchannelState } from "../../src/grpc/subchannel.ts";

interface Candidate {
  readonly name: string;
  readonly state: SubchannelState;
  readonly isUnresponsive: boolean;
  readonly isStalled: boolean;
}

const candidate = (name: string, state: SubchannelState, more: Partial<Candidate> = {}): Candidate => ({
  name,
  state,
  isUnresponsive: false,
  isStalled: false,
  ...more,
});

/** From best to worst. */
const classes = [
  candidate("ready", "ready"),
  candidate("stalled", "ready", { isStalled: true }),
  candidate("unresponsive", "ready", { isUnresponsive: true, isStalled: true }),
  candidate("connecting", "connecting"),
  candidate("failing", "transient-failure"),
];

/** The names of `count` picks in a row. */
function picks(candidates: readonly Candidate[], count: number): string {
  const picker = new Picker<Candidate>();
  return Array.from({ length: count }, () => picker.pick(candidates)?.name ?? "none").join(" ");
}

describe("Picker", () => {
  for (const [index, { name }] of classes.entries())
    it(`picks a ${name} subchannel if there is no better one, at any place in the list`, () => {
      const rest = classes.slice(index);
      assert.equal(picks(rest, 2), `${name} ${name}`);
      assert.equal(picks(rest.toReversed(), 2), `${name} ${name}`);
    });

  it("picks the subchannels of the best class in turn", () => {
    const [stalled] = classes.slice(1);
    const candidates = [candidate("a", "ready"), stalled!, candidate("b", "ready")];
    assert.equal(picks(candidates, 4), "b a b a");
  });

  it("picks each in turn if none is ready or connecting", () => {
    assert.equal(picks([candidate("a", "idle"), candidate("b", "transient-failure")], 3), "b a b");
  });

  it("picks the only subchannel in any state", () => {
    assert.equal(picks([candidate("a", "shutdown")], 1), "a");
  });

  it("returns undefined for an empty list", () => {
    assert.equal(picks([], 1), "none");
  });
});
