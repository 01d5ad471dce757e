import fc from "fast-check";
import type { Arbitrary } from "fast-check";
import type { FuzzContract, FuzzOperation } from "./contract.ts";
import { faultyRequestsOf } from "./faulty-requests.ts";
import { hostileRequestsOf } from "./hostile-requests.ts";
import { largeRequestsOf } from "./large-requests.ts";
import type { Leaving } from "./leaving-clients.ts";
import type { Case } from "./oracle.ts";
import type { Known } from "./sound-parts.ts";
import { soundPartsOf, soundRequestsOf } from "./sound-requests.ts";

/** How many of a thousand requests are valid and large, and how many have a client that leaves early. */
const largePerThousand = 3;
const leftPerThousand = 5;

/**
 * Requests of every operation of a contract: sound, faulty and hostile ones, those with most to go wrong more often; now
 * and then one that becomes large, and a client that leaves.
 */
export function casesOf(contract: FuzzContract, known: Known): Arbitrary<Case> {
  const sound = (operation: FuzzOperation) => soundRequestsOf(soundPartsOf(operation, contract, known));
  const ordinary = fc.oneof(
    ...contract.operations.map((operation) => {
      const parts = soundPartsOf(operation, contract, known);
      const arbitrary = fc.oneof(
        sound(operation),
        faultyRequestsOf(operation, parts, contract, known),
        hostileRequestsOf(parts),
      );
      return { arbitrary, weight: weightOf(operation) };
    }),
  );
  const large = largeRequestsOf(contract, known);
  const left = fc
    .tuple(fc.oneof(large, fc.oneof(...contract.operations.map(sound))), leavings)
    .map(([asked, leaving]): Case => ({ ...asked, leaving }));
  return fc.oneof(
    { arbitrary: ordinary, weight: 1000 - largePerThousand - leftPerThousand },
    { arbitrary: large, weight: largePerThousand },
    { arbitrary: left, weight: leftPerThousand },
  );
}

const leavings: Arbitrary<Leaving> = fc.oneof(
  fc.double({ min: 0, max: 1, noNaN: true }).map((share): Leaving => ({ when: "it has sent a part", share })),
  fc.constantFrom<Leaving>({ when: "the response begins" }, { when: "others have come" }),
);

function weightOf({ parameters, body }: FuzzOperation): number {
  return 2 + parameters.length + (body === undefined ? 0 : 10);
}
