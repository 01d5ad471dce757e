import type { OperationId } from "../contract.ts";
import { maxViolations } from "../errors/http-error.ts";
import type { Violation } from "../errors/http-error.ts";
import { isObject } from "./is-object.ts";
import { dagViolations } from "./dag-violations.ts";
import { contentViolations } from "./content-violations.ts";
import type { RequestParts } from "./request-checks.ts";

/** What JSON schema cannot say about the requests of an operation. Called for requests of any shape. */
const rules: Partial<Record<OperationId, (parts: RequestParts) => Violation[]>> = {
  submitWorkflow: ({ body }) => [...dagViolations(body), ...contentViolations(body)],
  rankDesigns: ({ body }) => [...boundsFaults(body), ...contentViolations(body)],
  listWorkflows: ({ query }) => labelFaults(query["label"]),
  streamWorkflowEvents: ({ headers, query }) => [
    ...eventIdFaults(headers["last-event-id"], "/headers/last-event-id"),
    ...eventIdFaults(query["lastEventId"], "/query/lastEventId"),
  ],
};

/** The faults of a request beyond its schema. */
export function ruleViolations(operationId: OperationId, parts: RequestParts): Violation[] {
  return rules[operationId]?.(parts) ?? [];
}

/** Two values for one label select nothing, which nobody means to ask. */
function labelFaults(labels: unknown): Violation[] {
  if (!Array.isArray(labels)) return [];
  const keys = labels.map((label) => String(label).split("=", 1)[0]);
  return keys.flatMap((key, index) =>
    keys.indexOf(key) === index
      ? []
      : [
          {
            path: `/query/label/${index}`,
            message: `asks for the label ${JSON.stringify(key)} a second time`,
          },
        ],
  );
}

/** Bounds that leave nothing between them, which nobody means to ask for. */
function boundsFaults(body: unknown): Violation[] {
  const filters = isObject(body) && Array.isArray(body["filters"]) ? body["filters"] : [];
  return filters.slice(0, maxViolations).flatMap((filter: unknown, index) => {
    const { min, max } = isObject(filter) ? filter : {};
    // What is no number is a fault of its own.
    if (!Number.isFinite(min) || !Number.isFinite(max) || Number(min) <= Number(max)) return [];
    return [{ path: `/body/filters/${index}/max`, message: "must not be less than min" }];
  });
}

const maxEventId = 2n ** 64n - 1n;

function eventIdFaults(lastEventId: unknown, path: string): Violation[] {
  if (typeof lastEventId !== "string" || !/^[0-9]{1,20}$/.test(lastEventId)) return [];
  if (BigInt(lastEventId) <= maxEventId) return [];
  return [{ path, message: `must be at most ${maxEventId}` }];
}
