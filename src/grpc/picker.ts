import type { SubchannelState } from "./subchannel.ts";

interface Candidate {
  readonly state: SubchannelState;
  /** Whether a ping is late, or a session was lost, and nothing was received since. */
  readonly isUnresponsive: boolean;
  /** Whether calls are in flight and nothing was received for part of the keepalive time. */
  readonly isStalled: boolean;
}

/** Picks a subchannel for each call: round robin over the subchannels of the best class. */
export class Picker<S extends Candidate> {
  #turn = 0;

  /** Returns undefined if there are no subchannels. */
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
 * The class of a subchannel; 0 is the best. If no subchannel is ready, calls wait for those that are connecting. If none
 * is connecting, calls try each in turn, and fail with the reason.
 */
function classOf({ state, isUnresponsive, isStalled }: Candidate): number {
  if (state === "ready") return isUnresponsive ? 2 : isStalled ? 1 : 0;
  return state === "connecting" ? 3 : 4;
}
