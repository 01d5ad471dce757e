import assert from "node:assert/strict";
import { create, toBinary } from "@bufbuild/protobuf";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { TimestampSchema } from "@bufbuild/protobuf/wkt";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import {
  WorkflowEventSchema,
  WorkflowSchema,
} from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import { eventText } from "../../src/events/event-text.ts";
import { stepEvent, workflowEvent } from "../support/samples.ts";
import { writeJson } from "../support/streamed-event.ts";

type Changes = MessageInitShape<typeof WorkflowSchema>;

/** A workflow with maps of every kind in it. */
function workflow(labels: Record<string, string>, metrics: Record<string, number>, sizeBytes = 1n): Changes {
  return {
    id: "w1",
    spec: { name: "one", steps: [{ id: "a", tool: "af2", params: metrics }], labels },
    state: JobState.RUNNING,
    stepStatuses: [{ stepId: "a", outputs: [{ uri: "r2://b/k", sizeBytes, metrics }] }],
  };
}

async function textOf(event: MessageInitShape<typeof WorkflowEventSchema>) {
  const bytes = toBinary(WorkflowEventSchema, create(WorkflowEventSchema, event));
  const text = await eventText(bytes, undefined, writeJson);
  assert.ok(text !== undefined);
  return text;
}

/** Of a snapshot, at a time of its own each. */
let seconds = 0n;
async function digestOf(changes: Changes): Promise<string> {
  seconds += 1n;
  const value = create(WorkflowSchema, changes);
  return (await textOf({ event: { case: "workflowUpdate", value }, at: { seconds } })).digest();
}

const base = workflow({ team: "alpha", run: "7" }, { plddt: 0.9, ptm: 0.8 });

describe("eventText", () => {
  for (const [name, event] of [
    ["step_update", stepEvent(7n)],
    ["workflow_update", workflowEvent(7n, JobState.RUNNING)],
  ] as const)
    it(`gives the name and the data of a ${name}, the data once`, async () => {
      const text = await textOf(event);
      assert.equal(text.name, name);
      const json = JSON.parse(Buffer.concat(text.takeData()).toString());
      assert.deepEqual(Object.keys(json), ["workflow_id", name, "at"]);
      assert.deepEqual(text.takeData(), []);
    });

  it("is undefined for an event of an unknown kind", async () => {
    const bytes = toBinary(WorkflowEventSchema, create(WorkflowEventSchema, { workflowId: "w1" }));
    assert.equal(await eventText(bytes, undefined, writeJson), undefined);
  });
});

describe("eventText(…).digest", () => {
  it("is the same for the same workflow, in whatever order its maps come, and whenever", async () => {
    const other = workflow({ run: "7", team: "alpha" }, { ptm: 0.8, plddt: 0.9 });
    assert.equal(await digestOf(base), await digestOf(other));
  });

  const changed: [string, Changes][] = [
    ["state", { ...base, state: JobState.SUCCEEDED }],
    ["label", workflow({ team: "beta", run: "7" }, { plddt: 0.9, ptm: 0.8 })],
    ["metric", workflow({ team: "alpha", run: "7" }, { plddt: 0.9, ptm: 0.7 })],
    ["size beyond 2^53", workflow({ team: "alpha", run: "7" }, { plddt: 0.9, ptm: 0.8 }, 2n ** 60n)],
    ["time", { ...base, updatedAt: create(TimestampSchema, { seconds: 1n }) }],
    ["step", { ...base, stepStatuses: [] }],
  ];
  for (const [what, changes] of changed)
    it(`tells another ${what}`, async () => assert.notEqual(await digestOf(changes), await digestOf(base)));

  it("tells two sizes beyond 2^53 from one another", async () => {
    const sized = (sizeBytes: bigint) => digestOf(workflow({}, {}, sizeBytes));
    assert.notEqual(await sized(2n ** 60n), await sized(2n ** 60n + 1n));
  });

  it("is of one length, however large the workflow is", async () => {
    const large = workflow({ team: "x".repeat(200_000) }, {});
    assert.equal((await digestOf(large)).length, (await digestOf(base)).length);
  });
});
