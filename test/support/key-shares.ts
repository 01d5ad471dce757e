import { KeyShares } from "../../src/load-shedding/key-shares.ts";
import type { SharedLimit } from "../../src/telemetry/metrics.ts";

/** Shares that give each API key the whole limit. */
export function wholeShares(of: SharedLimit, limit = () => Infinity): KeyShares {
  return new KeyShares({ of, limit, share: 1, countOverShare: () => undefined });
}
