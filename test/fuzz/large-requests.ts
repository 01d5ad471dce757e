import fc from "fast-check";
import type { Arbitrary } from "fast-check";
import type { Parts } from "./compose.ts";
import type { FuzzContract, FuzzOperation } from "./contract.ts";
import { refusedAs } from "./oracle.ts";
import type { Case } from "./oracle.ts";
import { soundPartsOf, soundRequestsOf } from "./sound-requests.ts";
import type { Known, ParameterValues } from "./sound-parts.ts";

/** Whose response is a large workflow, or is found in one. */
const readers: readonly FuzzOperation["id"][] = [
  "getWorkflow",
  "cancelWorkflow",
  "retryWorkflow",
  "streamWorkflowEvents",
  "downloadArtifact",
];

/** Sizes of pages; 20 of the largest workflows are more than a page may be. */
const pageSizes = ["1", "5", "20"];

/** Valid requests that become large: submissions near the limit, pages and reads of such workflows, lookups in them. */
export function largeRequestsOf(contract: FuzzContract, known: Known): Arbitrary<Case> {
  const names = fc.constantFrom(...Object.keys(known.largeBodies));

  /** Sound parts of an operation, with other values for some parameters. */
  function partsOf(id: FuzzOperation["id"], values: Arbitrary<ParameterValues>): Arbitrary<Parts> {
    const operation = contract.operations.find((own) => own.id === id);
    if (operation === undefined) throw new Error(`the contract has no ${id}`);
    return fc
      .tuple(soundPartsOf(operation, contract, known), values)
      .map(([parts, own]) => ({ ...parts, parameters: { ...parts.parameters, ...own } }));
  }

  const ids = names.map((id) => ({ id }));
  const pages = fc.record({ page_token: names, page_size: fc.constantFrom(...pageSizes) });
  const nobodys = names.map((id) => ({ id, key: "artifacts/nobody.pdb" }));
  const submissions = fc
    .tuple(soundRequestsOf(partsOf("submitWorkflow", fc.constant({}))), names)
    .map(([sound, name]): Case => {
      const body = Buffer.from(known.largeBodies[name] ?? "");
      return { ...sound, request: { ...sound.request, body } };
    });
  const lookups = soundRequestsOf(partsOf("downloadArtifact", nobodys)).map(({ request }) =>
    refusedAs(404, request),
  );
  return fc.oneof(
    { arbitrary: submissions, weight: 3 },
    { arbitrary: soundRequestsOf(partsOf("listWorkflows", pages)), weight: 2 },
    lookups,
    ...readers.map((id) => soundRequestsOf(partsOf(id, ids))),
  );
}
