import type { OperationId } from "../contract.ts";
import { maxViolations } from "../errors/http-error.ts";
import type { Violation } from "../errors/http-error.ts";
import { contentViolations } from "./content-violations.ts";
import { dagViolations } from "./dag-violations.ts";
import { isObject } from "./json-object.ts";
import { keyFormViolations } from "./key-form.ts";
import { readParamForms } from "./param-forms.ts";
import { paramWarnings } from "./param-warnings.ts";
import type { KnownParams } from "./param-warnings.ts";
import type { RequestParts } from "./request-validator.ts";

/** The rules of an operation that JSON schema cannot express. They are called for requests of any shape. */
const rules: Partial<Record<OperationId, (parts: RequestParts) => Violation[]>> = {
  submitWorkflow: ({ body }) => submissionViolations(body),
  validateWorkflow: ({ body }) => submissionViolations(body),
  rankDesigns: ({ body }) => [...filterViolations(body), ...contentViolations(body)],
  listWorkflows: ({ query }) => labelViolations(query["label"]),
  streamWorkflowEvents: ({ headers, query }) => [
    ...eventIdViolations(headers["last-event-id"], "/headers/last-event-id"),
    ...eventIdViolations(query["lastEventId"], "/query/lastEventId"),
  ],
};

/**
 * Rewrites a request into the contract's form, in place, where users of the tools write another one that means the same.
 * Returns the violations of what has no one meaning, which its schemas would report in less helpful words.
 */
export function formViolations(operationId: OperationId, { body, params }: RequestParts): Violation[] {
  if (operationId === "downloadArtifact") return keyFormViolations(params);
  return isSubmission(operationId) ? readParamForms(body) : [];
}

/** What is probably wrong in a valid request. */
export function requestWarnings(
  operationId: OperationId,
  { body }: RequestParts,
  known: KnownParams,
): Violation[] {
  return isSubmission(operationId) ? paramWarnings(body, known) : [];
}

function isSubmission(operationId: OperationId): boolean {
  return operationId === "submitWorkflow" || operationId === "validateWorkflow";
}

/** The violations of a request that its schemas cannot find. */
export function ruleViolations(operationId: OperationId, parts: RequestParts): Violation[] {
  return rules[operationId]?.(parts) ?? [];
}

function submissionViolations(body: unknown): Violation[] {
  return [...dagViolations(body), ...contentViolations(body)];
}

/** Rejects two values for one label: no workflow can match both. */
function labelViolations(labels: unknown): Violation[] {
  if (!Array.isArray(labels)) return [];
  const keys = labels.map((label) => String(label).split("=", 1)[0]);
  return keys.flatMap((key, index) =>
    keys.indexOf(key) === index
      ? []
      : [{ path: `/query/label/${index}`, message: `repeats the label ${JSON.stringify(key)}` }],
  );
}

/** Rejects a filter whose bounds exclude every value. */
function filterViolations(body: unknown): Violation[] {
  const filters = isObject(body) && Array.isArray(body["filters"]) ? body["filters"] : [];
  return filters.slice(0, maxViolations).flatMap((filter: unknown, index) => {
    const { min, max } = isObject(filter) ? filter : {};
    // The schema and the content rules report what is not a finite number.
    if (!Number.isFinite(min) || !Number.isFinite(max) || Number(min) <= Number(max)) return [];
    return [{ path: `/body/filters/${index}/max`, message: "must not be less than min" }];
  });
}

const maxEventId = 2n ** 64n - 1n;

function eventIdViolations(lastEventId: unknown, path: string): Violation[] {
  if (typeof lastEventId !== "string" || !/^[0-9]{1,20}$/.test(lastEventId)) return [];
  if (BigInt(lastEventId) <= maxEventId) return [];
  return [{ path, message: `must be at most ${maxEventId}` }];
}
