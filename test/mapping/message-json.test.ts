import assert from "node:assert/strict";
import { isUtf8 } from "node:buffer";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import type { DescMessage, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import fc from "fast-check";
import type { Arbitrary } from "fast-check";
import {
  ListWorkflowsResponseSchema,
  RankDesignsResponseSchema,
  StepStatusSchema,
  WorkflowEventSchema,
  WorkflowSchema,
} from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import { JsonText } from "../../src/mapping/json-text.ts";
import { messageJson } from "../../src/mapping/message-json.ts";
import type { MessageJson } from "../../src/mapping/message-json.ts";
import { rankingJson } from "../../src/mapping/ranking.ts";
import { stepStatusJson } from "../../src/mapping/step-status.ts";
import { WireReader } from "../../src/mapping/wire.ts";
import { eventJson } from "../../src/mapping/workflow-event.ts";
import { workflowJson, workflowListJson } from "../../src/mapping/workflow.ts";
import {
  rankingToObject,
  stepStatusToObject,
  workflowEventToObject,
  workflowListToObject,
  workflowToObject,
} from "../support/reference-mapping.ts";
import * as arbitrary from "./arbitraries.ts";
import { randomOf, scrambled } from "./scrambled.ts";
import { stringOf, written, writtenInSteps } from "./written.ts";

/** One kind of message: how it is written, and what its JSON is by the reference. */
interface Kind<Desc extends DescMessage> {
  readonly desc: Desc;
  readonly json: MessageJson;
  readonly messages: Arbitrary<MessageInitShape<Desc>>;
  readonly reference: (message: MessageShape<Desc>) => unknown;
}

/** What JSON readers make of a text; sizes beyond 2^53 digit for digit. */
function parsed(json: string): unknown {
  return JSON.parse(json.replace(/"size_bytes":(\d+)/g, '"size_bytes":"$1"'));
}

const lineBreak = /[\n\v\f\r\x85\u2028\u2029]/;

function assertSound(text: JsonText): void {
  const bytes = Buffer.concat(text.segments());
  assert.equal(bytes.length, text.length);
  assert.ok(isUtf8(bytes));
  assert.doesNotMatch(bytes.toString(), lineBreak);
}

/** What comes of bytes: their JSON, or "throws" where an Error says that they are no message. */
function outcome(json: MessageJson, bytes: Uint8Array, end: number): string {
  const text = new JsonText();
  try {
    json.write(new WireReader(bytes), end, text);
  } catch (error) {
    assert.ok(error instanceof Error);
    return "throws";
  }
  assertSound(text);
  JSON.parse(stringOf(text));
  return stringOf(text);
}

/** What follows a message in its buffer, and may not be read with it: a value of any kind, as far as it is read. */
const canary = Buffer.from("CANARY-CANARY-CANARY");

function assertKeepsToItself(json: MessageJson, bytes: Uint8Array): void {
  const alone = outcome(json, bytes, bytes.length);
  assert.equal(outcome(json, Buffer.concat([bytes, canary]), bytes.length), alone);
  let inSteps = "throws";
  try {
    inSteps = stringOf(writtenInSteps(json, bytes).text);
  } catch (error) {
    assert.ok(error instanceof Error);
  }
  assert.equal(inSteps, alone);
}

function describeKind<Desc extends DescMessage>(
  name: string,
  { desc, json, messages, reference }: Kind<Desc>,
) {
  const encoded = messages.map((message) => toBinary(desc, create(desc, message)));

  describe(`${name}.write`, () => {
    it("says what the reference says, in one text for all encodings, in steps or at once", () => {
      fc.assert(
        fc.property(encoded, fc.integer(), (bytes, seed) => {
          const other = scrambled(desc, bytes, randomOf(seed));
          const text = written(json, other);
          assertSound(text);
          const expected = JSON.stringify(reference(fromBinary(desc, bytes)));
          assert.deepEqual(parsed(stringOf(text)), parsed(expected));
          assert.deepEqual(parsed(expected), parsed(JSON.stringify(reference(fromBinary(desc, other)))));
          assert.equal(stringOf(written(json, bytes)), stringOf(text));
          assert.equal(stringOf(writtenInSteps(json, other).text), stringOf(text));
        }),
        { numRuns: 150 },
      );
    });

    it("writes any bytes as JSON or throws, and reads nothing behind them", () => {
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => assertKeepsToItself(json, bytes)),
        { numRuns: 500 },
      );
    });

    it("writes messages with wrong bytes or without their end as JSON or throws, and reads nothing behind them", () => {
      const changes = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 3 });
      fc.assert(
        fc.property(encoded, changes, fc.nat(), (bytes, changed, cut) => {
          const wrong = bytes.subarray(0, bytes.length - (cut % 3 === 0 ? cut % (bytes.length + 1) : 0));
          for (const [at, value] of changed) if (wrong.length > 0) wrong[at % wrong.length] = value;
          assertKeepsToItself(json, wrong);
        }),
        { numRuns: 300 },
      );
    });
  });
}

describeKind("workflowJson", {
  desc: WorkflowSchema,
  json: workflowJson,
  messages: arbitrary.workflow,
  reference: workflowToObject,
});
describeKind("workflowListJson", {
  desc: ListWorkflowsResponseSchema,
  json: workflowListJson,
  messages: arbitrary.workflowList,
  reference: workflowListToObject,
});
describeKind("stepStatusJson", {
  desc: StepStatusSchema,
  json: stepStatusJson,
  messages: arbitrary.stepStatus,
  reference: stepStatusToObject,
});
describeKind("rankingJson", {
  desc: RankDesignsResponseSchema,
  json: rankingJson,
  messages: arbitrary.ranking,
  reference: rankingToObject,
});

describe("eventJson", () => {
  it("says what the reference says, in one text for all encodings", () => {
    fc.assert(
      fc.property(arbitrary.workflowEvent, fc.integer(), (init, seed) => {
        const bytes = toBinary(WorkflowEventSchema, create(WorkflowEventSchema, init));
        const textOf = (encoded: Uint8Array) => {
          const event = eventJson(encoded);
          return event && event.before + stringOf(written(event.update, event.bytes)) + event.after;
        };
        const text = textOf(scrambled(WorkflowEventSchema, bytes, randomOf(seed)));
        const expected = workflowEventToObject(fromBinary(WorkflowEventSchema, bytes));
        assert.equal(text === undefined, expected === undefined);
        if (text === undefined) return;
        assert.doesNotMatch(text, lineBreak);
        assert.deepEqual(parsed(text), parsed(JSON.stringify(expected)));
        assert.equal(textOf(bytes), text);
      }),
      { numRuns: 150 },
    );
  });
});

describe("messageJson", () => {
  it("writes a large message in steps, none of them long", () => {
    const sequences = Array.from({ length: 500 }, () => ({ fasta: "A".repeat(1000) }));
    const stepStatuses = Array.from({ length: 4 }, () => ({ sequences }));
    const bytes = toBinary(WorkflowSchema, create(WorkflowSchema, { stepStatuses }));
    const { text, steps } = writtenInSteps(workflowJson, bytes);
    assert.equal(stringOf(text), stringOf(written(workflowJson, bytes)));
    assert.ok(steps >= 2000, `${steps} steps`);
  });

  it("writes a small message in one step", () => {
    assert.equal(writtenInSteps(workflowJson, new Uint8Array()).steps, 1);
  });

  it("refuses at once what it has no JSON for", () => {
    assert.throws(() => messageJson(WorkflowSchema, ["nothing" as "id"]), /no field nothing/);
    assert.throws(() => messageJson(WorkflowSchema, ["id.x" as "id"]), /is no message/);
    assert.throws(() => messageJson(WorkflowSchema, ["step_statuses"]), /written by nothing/);
    assert.throws(() => messageJson(WorkflowEventSchema, ["step_update"]), /written by nothing/);
  });
});
