import fc from "fast-check";
import type { Arbitrary } from "fast-check";
import type { FuzzContract, FuzzOperation } from "./contract.ts";
import { faultyRequestsOf } from "./faulty-requests.ts";
import { hostileRequestsOf } from "./hostile-requests.ts";
import type { Case } from "./oracle.ts";
import type { Known } from "./sound-parts.ts";
import { soundPartsOf, soundRequestsOf } from "./sound-requests.ts";

/** Requests of every operation of a contract: sound, faulty and hostile ones, those with most to go wrong more often. */
export function casesOf(contract: FuzzContract, known: Known): Arbitrary<Case> {
  return fc.oneof(
    ...contract.operations.map((operation) => {
      const parts = soundPartsOf(operation, contract, known);
      const arbitrary = fc.oneof(
        soundRequestsOf(parts),
        faultyRequestsOf(operation, parts, contract, known),
        hostileRequestsOf(parts),
      );
      return { arbitrary, weight: weightOf(operation) };
    }),
  );
}

function weightOf({ parameters, body }: FuzzOperation): number {
  return 2 + parameters.length + (body === undefined ? 0 : 10);
}
