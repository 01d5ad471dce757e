import { create, toBinary } from "@bufbuild/protobuf";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import {
  ListWorkflowsResponseSchema,
  SubmitWorkflowRequestSchema,
  WorkflowEventSchema,
  WorkflowSchema,
} from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import { submitRequestFromJson } from "../../src/mapping/submit-request.ts";
import { fieldValues } from "../../src/mapping/wire-reader.ts";
import { runSync } from "../../src/load-shedding/task-queue.ts";

/** The contents of a body of 1 MiB that are expensive to read, to hold or to write. */
export const worstKinds = ["deep", "wide", "numbers", "objects", "escapes", "text"] as const;
export type WorstKind = (typeof worstKinds)[number];

/** The maximum size of a body, in bytes. */
const maxBytes = 1024 * 1024;

const nested = `${"[".repeat(28)}${"]".repeat(28)}`;

/** For each kind: the maximum number of values, and each value. */
const parts: Readonly<Record<WorstKind, { readonly count: number; part(index: number): string }>> = {
  deep: { count: 18_000, part: () => nested },
  // Not in the order in which they are written, and not in ASCII.
  wide: { count: 95_000, part: (index) => `"é${((index * 48_271) % 95_000).toString(36)}":1` },
  // Each takes 11 bytes as a message, and the limit is 4 MiB.
  numbers: { count: 380_000, part: (index) => String(index % 10) },
  objects: { count: 85_000, part: (index) => `{"n":${index % 10}}` },
  // A control character is one byte as a message, and six as JSON.
  escapes: { count: 170_000, part: (index) => `\\u00${(index % 10) + 10}` },
  text: { count: 900_000, part: () => "A" },
};

const joined: Readonly<Partial<Record<WorstKind, readonly [string, string, string]>>> = {
  wide: ["{", ",", "}"],
  escapes: ['"', "", '"'],
  text: ['"', "", '"'],
};

/** The JSON of a valid submission of that kind; `share` is its part of the maximum size. */
export function worstBody(kind: WorstKind, share = 1): string {
  const { count, part } = parts[kind];
  const [open, between, close] = joined[kind] ?? ["[", ",", "]"];
  const value = open + Array.from({ length: count * share }, (_, index) => part(index)).join(between) + close;
  const body = `{"name":"${kind}","steps":[{"id":"a","tool":"af2","params":{"x":${value}}}]}`;
  const bytes = Buffer.byteLength(body);
  if (bytes > maxBytes) throw new Error(`the body is ${bytes} bytes`);
  return body;
}

/** The encoded WorkflowSpec of a submission. */
export function encodedSpec(body: string): Uint8Array {
  return specIn(runSync(submitRequestFromJson(JSON.parse(body), "")));
}

/** The bytes of the WorkflowSpec in those of a SubmitWorkflowRequest. */
export function specIn(submission: Uint8Array): Uint8Array {
  const [spec = new Uint8Array()] = fieldValues(submission, SubmitWorkflowRequestSchema.field.spec.number);
  return spec;
}

/** The bytes of a Workflow whose spec is encoded already. */
export function encodedWorkflow(spec: Uint8Array, rest: MessageInitShape<typeof WorkflowSchema>): Uint8Array {
  return new BinaryWriter()
    .raw(toBinary(WorkflowSchema, create(WorkflowSchema, rest)))
    .tag(WorkflowSchema.field.spec.number, WireType.LengthDelimited)
    .bytes(spec)
    .finish();
}

/** The bytes of a WorkflowEvent with an encoded workflow; `rest` has no event. */
export function encodedUpdate(
  workflow: Uint8Array,
  rest: MessageInitShape<typeof WorkflowEventSchema>,
): Uint8Array {
  return new BinaryWriter()
    .raw(toBinary(WorkflowEventSchema, create(WorkflowEventSchema, rest)))
    .tag(WorkflowEventSchema.field.workflowUpdate.number, WireType.LengthDelimited)
    .bytes(workflow)
    .finish();
}

/** The bytes of a page of workflows that are encoded already. */
export function encodedPage(workflows: readonly Uint8Array[], nextPageToken: string): Uint8Array {
  const writer = new BinaryWriter();
  for (const workflow of workflows)
    writer.tag(ListWorkflowsResponseSchema.field.workflows.number, WireType.LengthDelimited).bytes(workflow);
  const rest = create(ListWorkflowsResponseSchema, { nextPageToken });
  return writer.raw(toBinary(ListWorkflowsResponseSchema, rest)).finish();
}
