import fc from "fast-check";
import type { Arbitrary } from "fast-check";
import type { Parts } from "./compose.ts";
import type { FuzzContract, FuzzOperation } from "./contract.ts";
import { rejectedWith } from "./oracle.ts";
import type { Case } from "./oracle.ts";
import { validPartsOf, validRequestsOf } from "./valid-requests.ts";
import type { KnownValues, ParameterValues } from "./valid-parts.ts";

/** Operations that read a large workflow. */
const readers: readonly FuzzOperation["id"][] = [
  "getWorkflow",
  "cancelWorkflow",
  "retryWorkflow",
  "streamWorkflowEvents",
  "downloadArtifact",
];

/** Page sizes. 20 of the largest workflows exceed the limit of a page. */
const pageSizes = fc.constantFrom("1", "5", "20");

/** Valid requests for large workflows: submissions near the limit, pages, reads, and artifact lookups. */
export function largeRequestsOf(contract: FuzzContract, known: KnownValues): Arbitrary<Case> {
  const names = fc.constantFrom(...Object.keys(known.largeBodies));

  /** Valid parts of an operation, with given values for some parameters. */
  function partsOf(id: FuzzOperation["id"], values: Arbitrary<ParameterValues>): Arbitrary<Parts> {
    const operation = contract.operations.find((own) => own.id === id);
    if (operation === undefined) throw new Error(`the contract has no ${id}`);
    return fc
      .tuple(validPartsOf(operation, contract, known), values)
      .map(([parts, own]) => ({ ...parts, parameters: { ...parts.parameters, ...own } }));
  }

  const ids = names.map((id) => ({ id }));
  const pages = fc.record({ page_token: names, page_size: pageSizes });
  const unknownKeys = names.map((id) => ({ id, key: "artifacts/unknown.pdb" }));
  const submissions = fc
    .tuple(validRequestsOf(partsOf("submitWorkflow", fc.constant({}))), names)
    .map(([valid, name]): Case => {
      const body = Buffer.from(known.largeBodies[name] ?? "");
      return { ...valid, request: { ...valid.request, body } };
    });
  const lookups = validRequestsOf(partsOf("downloadArtifact", unknownKeys)).map(({ request }) =>
    rejectedWith(404, request),
  );
  return fc.oneof(
    { arbitrary: submissions, weight: 3 },
    { arbitrary: validRequestsOf(partsOf("listWorkflows", pages)), weight: 2 },
    lookups,
    ...readers.map((id) => validRequestsOf(partsOf(id, ids))),
  );
}
