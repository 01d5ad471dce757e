import type { SubchannelState } from "./subchannel.ts";

/** What is known of a subchannel. */
interface Candidate {
  readonly state: SubchannelState;
  /** Whether its server may be gone. */
  readonly isSuspect: boolean;
  /** Whether its server keeps calls waiting in silence. */
  readonly isQuiet: boolean;
}

/** Picks a subchannel for each call: round robin over the best class of subchannels that there is. */
export class Picker<S extends Candidate> {
  #turn = 0;

  /** Undefined if there are none. */
  pick(subchannels: readonly S[]): S | undefined {
    const [only] = subchannels;
    if (subchannels.length === 1) return only;
    const classes = subchannels.map(classOf);
    const best = Math.min(...classes);
    const candidates = subchannels.filter((_, index) => classes[index] === best);
    this.#turn = (this.#turn + 1) % (1 << 30);
    return candidates[this.#turn % candidates.length];
  }
}

/**
 * The class of a subchannel, 0 for the best. Without a ready one, calls wait for those that connect; without those, each
 * is tried, so that calls fail with the reason.
 */
function classOf({ state, isSuspect, isQuiet }: Candidate): number {
  if (state === "ready") return isSuspect ? 2 : isQuiet ? 1 : 0;
  return state === "connecting" ? 3 : 4;
}
