import type { JsonObject, JsonValue, MessageInitShape } from "@bufbuild/protobuf";
import fc from "fast-check";
import type { Arbitrary } from "fast-check";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import type {
  ListWorkflowsResponseSchema,
  RankDesignsResponseSchema,
  StepStatusSchema,
  WorkflowEventSchema,
  WorkflowSchema,
} from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";

/** Strings that need an escape, or that are special as keys of an object. */
const specialTexts = [
  "",
  "\x85",
  "\u2028\u2029",
  "a\u2028b\x85c\r\nd\re",
  "\0\b\t\x1f\x7f",
  '"\\/',
  "🧬é",
  "\ufeffbom",
  "\ufffd",
  "\ue000\u{10ffff}",
  "10",
  "9",
  "constructor",
];

/** Any character, more often a special one. fast-check's own characters take a second to prepare. */
export const character: Arbitrary<string> = fc
  .oneof(
    fc.integer({ min: 0, max: 0x7f }),
    fc.integer({ min: 0x80, max: 0xa0 }),
    fc.integer({ min: 0x100, max: 0xd7ff }),
    fc.integer({ min: 0x2020, max: 0x2030 }),
    fc.integer({ min: 0xe000, max: 0x10ffff }),
  )
  .map((code) => String.fromCodePoint(code));

/** Any string that UTF-8 can encode. */
export const text: Arbitrary<string> = fc.oneof(
  fc.string({ unit: character, maxLength: 12 }),
  fc.constantFrom(...specialTexts),
);

const double = fc.oneof(
  fc.double(),
  fc.constantFrom(NaN, Infinity, -Infinity, -0, 5e-324, 1.7976931348623157e308, 1e21, 1e-7),
);
const float = fc.oneof(
  fc.float(),
  fc.constantFrom(NaN, Infinity, -Infinity, -0, 0.3, 1.4e-45, 1.1754942e-38, 3.4028234e38).map(Math.fround),
);
const uint32 = fc.oneof(fc.nat(), fc.constantFrom(0, 2 ** 32 - 1));
const uint64 = fc.oneof(
  fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  fc.constantFrom(2n ** 53n, 2n ** 64n - 1n),
);

/** Mostly states that the contract defines. */
const unknownStates: JobState[] = JSON.parse("[6, -1, 2147483647, -2147483648]");
const knownStates = Object.values(JobState).filter((state) => typeof state !== "string");
const state = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom(...knownStates) },
  fc.constantFrom(...unknownStates),
);

const time = fc.record({
  seconds: fc.oneof(
    { weight: 4, arbitrary: fc.bigInt({ min: -62_135_596_801n, max: 253_402_300_800n }) },
    fc.constantFrom(-(2n ** 63n), 2n ** 63n - 1n),
  ),
  nanos: fc.oneof(
    { weight: 8, arbitrary: fc.nat(999_999_999) },
    fc.constantFrom(0, 1, 120_000_000, -1, 1_000_000_000, -(2 ** 31)),
  ),
});

const mapOf = <T>(value: Arbitrary<T>) => fc.dictionary(text, value, { maxKeys: 5 });

/** `value` within this many nested lists and objects. */
function nested(value: JsonValue, depth: number): JsonValue {
  let outer = value;
  for (let level = 0; level < depth; level += 1) outer = level % 2 === 0 ? [outer] : { "": outer };
  return outer;
}

const scalar = fc.oneof(
  fc.constant(null),
  fc.boolean(),
  text,
  fc.double({ noNaN: true, noDefaultInfinity: true }),
);
const { value: jsonValue } = fc.letrec<{ value: JsonValue }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    scalar,
    fc.array(tie("value"), { maxLength: 4 }),
    mapOf(tie("value")),
  ),
}));

/** Any Struct that JSON can express, at most 32 levels deep. */
export const struct: Arbitrary<JsonObject> = fc.oneof(
  { weight: 4, arbitrary: mapOf(jsonValue) },
  fc.tuple(scalar, fc.integer({ min: 1, max: 31 })).map(([value, depth]) => ({ deep: nested(value, depth) })),
);

/** A message of which any field may be absent. */
function message<T>(fields: { [Key in keyof T]: Arbitrary<T[Key]> }) {
  return fc.record<T, never>(fields, { requiredKeys: [] });
}

const list = <T>(item: Arbitrary<T>) => fc.array(item, { maxLength: 3 });

/** Long enough that a message with it is written in several slices. */
const long = fc.constantFrom("A".repeat(30_000), "\u2028é".repeat(15_000));

const sequence = message({
  fasta: fc.oneof({ weight: 5, arbitrary: text }, long),
  globalScore: double,
  seqRecovery: double,
  sampleIndex: uint32,
});
const uri = fc
  .tuple(
    fc.constantFrom("r2://foldforge/", "r2://foldforge/artifacts/", "r2://other/", "r2://foldforge", ""),
    fc.oneof(
      text,
      fc.stringMatching(/^[a-z./~ %:]{0,8}$/),
      fc.constantFrom("x".repeat(1024), "\u{1f9ec}".repeat(1024), "é".repeat(1025)),
    ),
    fc.constantFrom(
      "",
      ".pdb",
      ".pdb.gz",
      ".gz",
      ".zst",
      ".",
      ".a-b",
      ".PDB",
      ".abcdefghijkl",
      ".abcdefghijklm",
    ),
  )
  .map((parts) => parts.join(""));

/** Ids of steps and of workflows; some of them are valid in a path, and some are their own file name. */
const id = fc.oneof(
  text,
  fc.stringMatching(/^[A-Za-z0-9._~:-]{0,12}$/),
  fc.constantFrom(
    "x".repeat(128),
    "x".repeat(129),
    "é".repeat(100),
    "e\u0301",
    "-a",
    ".a",
    "\u{1f9ec}".repeat(40),
  ),
);

const artifact = message({
  uri,
  contentType: fc.oneof(text, fc.constant("chemical/x-pdb")),
  sizeBytes: uint64,
  sha256: text,
  metrics: mapOf(double),
});
const resources = message({
  gpuType: text,
  gpuCount: uint32,
  cpuCores: uint32,
  memoryMb: uint32,
  timeoutSeconds: uint32,
});
const step = message({ id: text, tool: text, dependsOn: list(text), params: struct, resources });

export const stepStatus: Arbitrary<MessageInitShape<typeof StepStatusSchema>> = message({
  stepId: id,
  state,
  fraction: float,
  outputs: list(artifact),
  error: message({ code: text, message: text, retryable: fc.boolean() }),
  startedAt: time,
  finishedAt: time,
  sequences: list(sequence),
});

export const workflow: Arbitrary<MessageInitShape<typeof WorkflowSchema>> = message({
  id,
  spec: message({ name: text, steps: list(step), labels: mapOf(text) }),
  state,
  stepStatuses: list(stepStatus),
  createdAt: time,
  updatedAt: time,
});

export const workflowList: Arbitrary<MessageInitShape<typeof ListWorkflowsResponseSchema>> = message({
  workflows: list(workflow),
  nextPageToken: text,
});

export const ranking: Arbitrary<MessageInitShape<typeof RankDesignsResponseSchema>> = message({
  designs: list(
    message({ rank: uint32, score: double, id: text, kind: text, sourceStep: text, metrics: mapOf(double) }),
  ),
  totalConsidered: uint32,
  totalRanked: uint32,
});

export const workflowEvent: Arbitrary<MessageInitShape<typeof WorkflowEventSchema>> = message({
  workflowId: id,
  event: fc.oneof(
    stepStatus.map((value) => ({ case: "stepUpdate", value }) as const),
    workflow.map((value) => ({ case: "workflowUpdate", value }) as const),
    fc.constant({ case: undefined }),
  ),
  at: time,
  eventId: uint64,
});
