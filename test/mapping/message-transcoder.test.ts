import assert from "node:assert/strict";
import { isUtf8 } from "node:buffer";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import type { DescMessage, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import fc from "fast-check";
import type { Arbitrary } from "fast-check";
import {
  ListWorkflowsResponseSchema,
  RankDesignsResponseSchema,
  RankedDesignSchema,
  StepStatusSchema,
  WorkflowEventSchema,
  WorkflowSchema,
} from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import { JsonWriter, singleLineJson } from "../../src/mapping/json-writer.ts";
import { createMessageTranscoder } from "../../src/mapping/message-transcoder.ts";
import type { Transcoder } from "../../src/mapping/transcoder.ts";
import { rankingTranscoder } from "../../src/mapping/ranking.ts";
import { WireReader } from "../../src/mapping/wire-reader.ts";
import { eventToJson } from "../../src/mapping/workflow-event.ts";
import {
  artifactListToObject,
  basicWorkflowToObject,
  rankingToObject,
  stepStatusToObject,
  workflowEventToObject,
  workflowListToObject,
  workflowToObject,
} from "../support/reference-mapping.ts";
import * as arbitrary from "./arbitraries.ts";
import { seededRandom, reencoded } from "./reencoded.ts";
import {
  artifactList,
  basicTranscoders,
  textOf,
  transcode,
  transcodeInSlices,
  transcoders,
} from "./transcode.ts";

/** A transcoder, its messages, and the reference that defines their JSON. */
interface TestedTranscoder<Desc extends DescMessage> {
  readonly desc: Desc;
  readonly json: Transcoder;
  readonly messages: Arbitrary<MessageInitShape<Desc>>;
  readonly reference: (message: MessageShape<Desc>) => unknown;
}

/** The members whose keys come from a map, and are sorted. */
const mapNames = ["labels", "metrics", "params"];

/** The text that a transcoder should write for an object of the reference. */
function expectedText(value: unknown, isMap = false): string {
  if (Array.isArray(value)) return `[${value.map((item) => expectedText(item, isMap)).join(",")}]`;
  // A string, number or boolean; null, or a size as raw JSON, is an object too.
  if (typeof value !== "object" || !JSON.stringify(value).startsWith("{")) return singleLineJson(value);
  const members = Object.entries(value ?? {}).filter(([, member]) => member !== undefined);
  if (isMap) members.sort(([a], [b]) => (a < b ? -1 : 1));
  const texts = members.map(
    ([key, member]) => `${singleLineJson(key)}:${expectedText(member, isMap || mapNames.includes(key))}`,
  );
  return `{${texts.join(",")}}`;
}

const lineBreak = /[\n\v\f\r\x85\u2028\u2029]/;

function assertSingleLineUtf8(text: JsonWriter): void {
  const bytes = Buffer.concat(text.pieces());
  assert.equal(bytes.length, text.length);
  assert.ok(isUtf8(bytes));
  assert.doesNotMatch(bytes.toString(), lineBreak);
}

/** The JSON of the bytes, or "throws" if they are not a valid message. */
function outcome(json: Transcoder, bytes: Uint8Array, end: number): string {
  const text = new JsonWriter();
  try {
    json.write(new WireReader(bytes), end, text);
  } catch (error) {
    assert.ok(error instanceof Error);
    return "throws";
  }
  assertSingleLineUtf8(text);
  JSON.parse(textOf(text));
  return textOf(text);
}

/** Follows a message in its buffer and must not be read with it. */
const canary = Buffer.from("CANARY-CANARY-CANARY");

function assertReadsOnlyItsBytes(json: Transcoder, bytes: Uint8Array): void {
  const alone = outcome(json, bytes, bytes.length);
  assert.equal(outcome(json, Buffer.concat([bytes, canary]), bytes.length), alone);
  let inSteps = "throws";
  try {
    inSteps = textOf(transcodeInSlices(json, bytes).text);
  } catch (error) {
    assert.ok(error instanceof Error);
  }
  assert.equal(inSteps, alone);
}

function describeTranscoder<Desc extends DescMessage>(
  name: string,
  { desc, json, messages, reference }: TestedTranscoder<Desc>,
) {
  const encoded = messages.map((message) => toBinary(desc, create(desc, message)));

  describe(`${name}.write`, () => {
    it("writes the text of the reference, for all encodings, in slices or at once", () => {
      fc.assert(
        fc.property(encoded, fc.integer(), (bytes, seed) => {
          const other = reencoded(desc, bytes, seededRandom(seed));
          const text = transcode(json, other);
          assertSingleLineUtf8(text);
          assert.equal(textOf(text), expectedText(reference(fromBinary(desc, bytes))));
          assert.equal(textOf(text), expectedText(reference(fromBinary(desc, other))));
          assert.equal(textOf(transcode(json, bytes)), textOf(text));
          assert.equal(textOf(transcodeInSlices(json, other).text), textOf(text));
        }),
        { numRuns: 150 },
      );
    });

    it("writes JSON or throws for any bytes, and reads nothing after them", () => {
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => assertReadsOnlyItsBytes(json, bytes)),
        { numRuns: 500 },
      );
    });

    it("writes JSON or throws for corrupted and truncated messages, and reads nothing after them", () => {
      const changes = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 3 });
      fc.assert(
        fc.property(encoded, changes, fc.nat(), (bytes, changed, cut) => {
          const wrong = bytes.subarray(0, bytes.length - (cut % 3 === 0 ? cut % (bytes.length + 1) : 0));
          for (const [at, value] of changed) if (wrong.length > 0) wrong[at % wrong.length] = value;
          assertReadsOnlyItsBytes(json, wrong);
        }),
        { numRuns: 300 },
      );
    });
  });
}

describeTranscoder("transcoders.workflow", {
  desc: WorkflowSchema,
  json: transcoders.workflow,
  messages: arbitrary.workflow,
  reference: workflowToObject,
});
describeTranscoder("transcoders.workflowList", {
  desc: ListWorkflowsResponseSchema,
  json: transcoders.workflowList,
  messages: arbitrary.workflowList,
  reference: (page) => workflowListToObject(page),
});
describeTranscoder("transcoders.stepStatus", {
  desc: StepStatusSchema,
  json: transcoders.stepStatus,
  messages: arbitrary.stepStatus,
  reference: stepStatusToObject,
});
describeTranscoder("basicTranscoders.workflow", {
  desc: WorkflowSchema,
  json: basicTranscoders.workflow,
  messages: arbitrary.workflow,
  reference: basicWorkflowToObject,
});
describeTranscoder("basicTranscoders.workflowList", {
  desc: ListWorkflowsResponseSchema,
  json: basicTranscoders.workflowList,
  messages: arbitrary.workflowList,
  reference: (page) => workflowListToObject(page, basicWorkflowToObject),
});
describeTranscoder("artifactList", {
  desc: WorkflowSchema,
  json: artifactList(),
  messages: arbitrary.workflow,
  reference: (workflow) => artifactListToObject(workflow),
});
describeTranscoder("rankingTranscoder", {
  desc: RankDesignsResponseSchema,
  json: rankingTranscoder,
  messages: arbitrary.ranking,
  reference: rankingToObject,
});

describe("eventToJson", () => {
  it("returns the text of the reference, for all encodings", () => {
    fc.assert(
      fc.property(arbitrary.workflowEvent, fc.integer(), (init, seed) => {
        const bytes = toBinary(WorkflowEventSchema, create(WorkflowEventSchema, init));
        const eventText = (encoded: Uint8Array) => {
          const event = eventToJson(encoded, transcoders);
          return event && textOf(transcode(event, encoded));
        };
        const text = eventText(reencoded(WorkflowEventSchema, bytes, seededRandom(seed)));
        const expected = workflowEventToObject(fromBinary(WorkflowEventSchema, bytes));
        assert.equal(text === undefined, expected === undefined);
        if (text === undefined) return;
        assert.doesNotMatch(text, lineBreak);
        assert.equal(text, expectedText(expected));
        assert.equal(eventText(bytes), text);
      }),
      { numRuns: 150 },
    );
  });
});

describe("createMessageTranscoder", () => {
  it("writes a large message in short slices", () => {
    const sequences = Array.from({ length: 500 }, () => ({ fasta: "A".repeat(1000) }));
    const stepStatuses = Array.from({ length: 4 }, () => ({ sequences }));
    const bytes = toBinary(WorkflowSchema, create(WorkflowSchema, { stepStatuses }));
    const { text, slices } = transcodeInSlices(transcoders.workflow, bytes);
    assert.equal(textOf(text), textOf(transcode(transcoders.workflow, bytes)));
    assert.ok(slices >= 2000, `${slices} slices`);
  });

  it("writes a small message in one slice", () => {
    assert.equal(transcodeInSlices(transcoders.workflow, new Uint8Array()).slices, 1);
  });

  it("throws for unsupported fields when it is created", () => {
    assert.throws(() => createMessageTranscoder(WorkflowSchema, ["nothing" as "id"]), /no field nothing/);
    assert.throws(() => createMessageTranscoder(WorkflowSchema, ["id.x" as "id"]), /is no message/);
    assert.throws(() => createMessageTranscoder(WorkflowSchema, ["step_statuses"]), /has no transcoder/);
    assert.throws(() => createMessageTranscoder(WorkflowEventSchema, ["step_update"]), /has no transcoder/);
  });

  it("throws for a first field that may be left out when it is created", () => {
    assert.throws(() => createMessageTranscoder(WorkflowSchema, ["created_at"]), /cannot be the first/);
    assert.throws(() => createMessageTranscoder(RankedDesignSchema, ["score"]), /cannot be the first/);
  });
});
