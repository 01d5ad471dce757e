import { KeyShares } from "../../src/load-shedding/key-shares.ts";
import type { SharedLimit } from "../../src/telemetry/metrics.ts";

/** The shares of a limit of which each API key may have all. */
export function wholeShares(of: SharedLimit, limit = () => Infinity): KeyShares {
  return new KeyShares({ of, limit, share: 1, countOverShare: () => undefined });
}
