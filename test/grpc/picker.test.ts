import assert from "node:assert/strict";
import { Picker } from "../../src/grpc/picker.ts";
import type { SubchannelState } from "../../src/grpc/subchannel.ts";

interface Candidate {
  readonly name: string;
  readonly state: SubchannelState;
  readonly isSuspect: boolean;
  readonly isQuiet: boolean;
}

const candidate = (name: string, state: SubchannelState, more: Partial<Candidate> = {}): Candidate => ({
  name,
  state,
  isSuspect: false,
  isQuiet: false,
  ...more,
});

/** From best to worst. */
const classes = [
  candidate("ready", "ready"),
  candidate("quiet", "ready", { isQuiet: true }),
  candidate("suspect", "ready", { isSuspect: true, isQuiet: true }),
  candidate("connecting", "connecting"),
  candidate("failing", "transient-failure"),
];

/** The names of so many picks in a row. */
function picks(candidates: readonly Candidate[], count: number): string {
  const picker = new Picker<Candidate>();
  return Array.from({ length: count }, () => picker.pick(candidates)?.name ?? "none").join(" ");
}

describe("Picker", () => {
  for (const [index, { name }] of classes.entries())
    it(`picks a ${name} subchannel if there is no better one, wherever it is in the list`, () => {
      const rest = classes.slice(index);
      assert.equal(picks(rest, 2), `${name} ${name}`);
      assert.equal(picks(rest.toReversed(), 2), `${name} ${name}`);
    });

  it("picks those of the best class in turn", () => {
    const [worse] = classes.slice(1);
    const both = [candidate("a", "ready"), worse!, candidate("b", "ready")];
    assert.equal(picks(both, 4), "b a b a");
  });

  it("tries each in turn if none is ready or connecting", () => {
    assert.equal(picks([candidate("a", "idle"), candidate("b", "transient-failure")], 3), "b a b");
  });

  it("picks the only one, whatever its state", () => {
    assert.equal(picks([candidate("a", "shutdown")], 1), "a");
  });

  it("picks none if there is none", () => {
    assert.equal(picks([], 1), "none");
  });
});
