import fc from "fast-check";
import type { Arbitrary } from "fast-check";
import type { FuzzContract, FuzzOperation } from "./contract.ts";
import { invalidRequestsOf } from "./invalid-requests.ts";
import { hostileRequestsOf } from "./hostile-requests.ts";
import { largeRequestsOf } from "./large-requests.ts";
import type { Disconnect } from "./disconnecting-clients.ts";
import type { Case } from "./oracle.ts";
import type { KnownValues } from "./valid-parts.ts";
import { validPartsOf, validRequestsOf } from "./valid-requests.ts";

/** Of a thousand requests, how many are valid and large, and how many have a client that disconnects early. */
const largePerThousand = 3;
const disconnectsPerThousand = 5;

/**
 * Valid, invalid and hostile requests of every operation of a contract. Operations with more parameters are more
 * frequent. A few requests are large, and a few clients disconnect.
 */
export function casesOf(contract: FuzzContract, known: KnownValues): Arbitrary<Case> {
  const valid = (operation: FuzzOperation) => validRequestsOf(validPartsOf(operation, contract, known));
  const ordinary = fc.oneof(
    ...contract.operations.map((operation) => {
      const parts = validPartsOf(operation, contract, known);
      const arbitrary = fc.oneof(
        valid(operation),
        invalidRequestsOf(operation, parts, contract, known),
        hostileRequestsOf(parts),
      );
      return { arbitrary, weight: weightOf(operation) };
    }),
  );
  const large = largeRequestsOf(contract, known);
  const disconnected = fc
    .tuple(fc.oneof(large, fc.oneof(...contract.operations.map(valid))), disconnects)
    .map(([testCase, disconnect]): Case => ({ ...testCase, disconnect }));
  return fc.oneof(
    { arbitrary: ordinary, weight: 1000 - largePerThousand - disconnectsPerThousand },
    { arbitrary: large, weight: largePerThousand },
    { arbitrary: disconnected, weight: disconnectsPerThousand },
  );
}

const disconnects: Arbitrary<Disconnect> = fc.oneof(
  fc.double({ min: 0, max: 1, noNaN: true }).map((fraction): Disconnect => ({ when: "sending", fraction })),
  fc.constantFrom<Disconnect>({ when: "receiving" }, { when: "never" }),
);

function weightOf({ parameters, body }: FuzzOperation): number {
  return 2 + parameters.length + (body === undefined ? 0 : 10);
}
