import assert from "node:assert/strict";
import { create, toBinary } from "@bufbuild/protobuf";
import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  StepStatusSchema,
  WorkflowEventSchema,
  WorkflowSchema,
} from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import { createTranscoders } from "../../src/mapping/workflow.ts";
import { eventToJson } from "../../src/mapping/workflow-event.ts";
import { jsonOf, textOf, transcode, transcoders } from "./transcode.ts";

type StepStatuses = NonNullable<MessageInitShape<typeof WorkflowSchema>["stepStatuses"]>;

/** What the JSON has of an artifact besides its fields. */
interface Links {
  readonly name: string;
  readonly href?: string;
}

/** The links of each output of the workflow with these step statuses. */
function linksOf(stepStatuses: StepStatuses, id = "w1", { workflow } = transcoders): Links[] {
  const { step_statuses } = JSON.parse(jsonOf(workflow, WorkflowSchema, { id, stepStatuses }));
  return step_statuses.flatMap(({ outputs }: { outputs: Links[] }) =>
    outputs.map(({ name, href }) => (href === undefined ? { name } : { name, href })),
  );
}

/** The links of the only output of a workflow. */
function linksTo(uri: string, contentType = "", id = "w1", of = transcoders): Links | undefined {
  return linksOf([{ stepId: "fold", outputs: [{ uri, contentType }] }], id, of)[0];
}

describe("createArtifactTranscoder", () => {
  for (const [uri, links] of [
    [
      "r2://foldforge/artifacts/x.pdb",
      { name: "fold-0.pdb", href: "/v1/workflows/w1/artifacts/artifacts/x.pdb" },
    ],
    [
      "r2://foldforge/a b/é.cif.gz",
      { name: "fold-0.cif.gz", href: "/v1/workflows/w1/artifacts/a%20b/%C3%A9.cif.gz" },
    ],
    ["r2://foldforge/x", { name: "fold-0", href: "/v1/workflows/w1/artifacts/x" }],
    ["r2://foldforge/.x.pdb", { name: "fold-0.pdb", href: "/v1/workflows/w1/artifacts/.x.pdb" }],
    ["r2://foldforge/", { name: "fold-0" }],
    ["r2://foldforge", { name: "fold-0" }],
    ["r2://foldforge/../x.pdb", { name: "fold-0.pdb" }],
    ["r2://foldforge//x.pdb", { name: "fold-0.pdb" }],
    ["r2://other/x.pdb", { name: "fold-0.pdb" }],
    ["r2://foldforges/x.pdb", { name: "fold-0.pdb" }],
    ["s3://foldforge/x.pdb", { name: "fold-0.pdb" }],
    ["x.pdb", { name: "fold-0.pdb" }],
    ["", { name: "fold-0" }],
  ] as const)
    it(`writes ${JSON.stringify(links)} for ${uri}`, () => {
      assert.deepEqual(linksTo(uri), links);
    });

  it("uses the content type if the uri has no extension", () => {
    assert.equal(linksTo("r2://foldforge/x", "chemical/x-pdb")?.name, "fold-0.pdb");
    assert.equal(linksTo("r2://foldforge/x.cif", "chemical/x-pdb")?.name, "fold-0.cif");
  });

  it("encodes the workflow's id, and writes no href for an id that no path can have", () => {
    const uri = "r2://foldforge/x";
    assert.equal(linksTo(uri, "", "a:b")?.href, "/v1/workflows/a%3Ab/artifacts/x");
    for (const id of ["", "a/b", "é"]) assert.equal(linksTo(uri, "", id)?.href, undefined);
  });

  it("links to the files of its own bucket", () => {
    const others = createTranscoders("other").full;
    assert.equal(linksTo("r2://other/x", "", "w1", others)?.href, "/v1/workflows/w1/artifacts/x");
    assert.equal(linksTo("r2://foldforge/x", "", "w1", others)?.href, undefined);
  });

  it("counts the outputs of each step, and names the files of every step differently", () => {
    const outputs = [{ uri: "a.pdb" }, { uri: "b.pdb" }];
    const names = linksOf([
      { stepId: "a", outputs },
      { stepId: "a b", outputs },
      { stepId: "a_b", outputs },
    ]).map(({ name }) => name);
    assert.deepEqual(names, [
      "a-0.pdb",
      "a-1.pdb",
      "a_b~c8687a08-0.pdb",
      "a_b~c8687a08-1.pdb",
      "a_b-0.pdb",
      "a_b-1.pdb",
    ]);
  });

  it("writes the same in an event as in the workflow", () => {
    const outputs = [{ uri: "r2://foldforge/a.pdb" }, { uri: "r2://foldforge/b c.pdb" }];
    const value = create(StepStatusSchema, { stepId: "fold", outputs });
    const event = { case: "stepUpdate", value } as const;
    const bytes = toBinary(WorkflowEventSchema, create(WorkflowEventSchema, { workflowId: "w1", event }));
    const { step_update } = JSON.parse(textOf(transcode(eventToJson(bytes, transcoders)!, bytes)));
    assert.deepEqual(
      step_update.outputs.map(({ name, href }: Links) => ({ name, href })),
      linksOf([value]),
    );
    assert.equal(step_update.outputs[1].href, "/v1/workflows/w1/artifacts/b%20c.pdb");
  });
});
