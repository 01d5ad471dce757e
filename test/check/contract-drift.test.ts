import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { parseDocument } from "yaml";
import { contractDrift } from "./contract-drift.ts";
import { loadProtobufContract } from "./protobuf-contract.ts";
import { assertFails, assertPasses, eachInScratch } from "./scratch-fixture.ts";

const openApi = "openapi/gateway.v1.yaml";
const contract = await loadProtobufContract();

/** What drifts when the value at this path of the schemas is another, or is gone. */
const drifts: readonly { at: string; to?: unknown; says: string }[] = [
  {
    at: "ResourceSpec.properties.gpu_type",
    says: "ResourceSpec lacks gpu_type of foldforge.common.v1.ResourceSpec",
  },
  {
    at: "Workflow.properties.labels",
    says: "Workflow lacks labels of foldforge.orchestrator.v1.WorkflowSpec",
  },
  { at: "Step.properties.depends_on", says: "Step lacks depends_on of foldforge.orchestrator.v1.Step" },
  {
    at: "Artifact.properties.color",
    to: { type: "string" },
    says: "Artifact has color, which foldforge.common.v1.Artifact lacks",
  },
  {
    at: "Artifact.properties.step_id",
    to: { type: "string" },
    says: "Artifact has step_id, which foldforge.common.v1.Artifact lacks",
  },
  {
    at: "WorkflowEvent.properties.event_id",
    to: { type: "integer", format: "int64" },
    says: "WorkflowEvent has event_id, which foldforge.orchestrator.v1.WorkflowEvent lacks",
  },
  {
    at: "Step.properties.color",
    to: { type: "string" },
    says: "Step has color, which foldforge.orchestrator.v1.Step lacks",
  },
  {
    at: "ResourceSpec.properties.gpu_count.type",
    to: "string",
    says: "ResourceSpec.gpu_count is string int64, its field is integer int64",
  },
  {
    at: "Artifact.properties.size_bytes.format",
    to: "int32",
    says: "Artifact.size_bytes is integer int32, its field is integer int64",
  },
  {
    at: "StepStatus.properties.fraction.format",
    says: "StepStatus.fraction is number, its field is number float",
  },
  { at: "Time.format", says: "Workflow.created_at is no date-time" },
  {
    at: "Workflow.properties.state",
    to: { type: "string" },
    says: "Workflow.state does not mirror foldforge.common.v1.JobState",
  },
  {
    at: "StepStatus.properties.error.$ref",
    to: "#/components/schemas/Error",
    says: "StepStatus.error does not mirror foldforge.common.v1.ErrorDetail",
  },
  { at: "Step.properties.params.additionalProperties", to: false, says: "Step.params is no open object" },
  { at: "DependsOn.type", to: "object", says: "Step.depends_on is no array" },
  { at: "StepId.type", to: "integer", says: "Step.depends_on[] is integer, its field is string" },
  {
    at: "Workflow.properties.state.x-extensible-enum.1",
    says: "Workflow.state lacks the value RUNNING",
  },
  {
    at: "StepStatus.properties.state.x-extensible-enum.6",
    to: "PAUSED",
    says: "StepStatus.state has PAUSED, which foldforge.common.v1.JobState lacks",
  },
  {
    at: "StepStatus.properties.outputs.items.$ref",
    to: "#/components/schemas/DesignedSequence",
    says: "StepStatus.outputs[] does not mirror foldforge.common.v1.Artifact",
  },
  { at: "Labels.additionalProperties", to: true, says: "WorkflowSpec.labels is no map" },
  {
    at: "Metrics.additionalProperties.type",
    to: "string",
    says: "Artifact.metrics{} is string double, its field is number double",
  },
  { at: "JobState.enum.4", says: "JobState lacks the value CANCELLED" },
  {
    at: "JobState.enum.5",
    to: "PAUSED",
    says: "JobState has PAUSED, which foldforge.common.v1.JobState lacks",
  },
  { at: "JobState.x-protobuf", says: "no schema mirrors foldforge.common.v1.JobState" },
  { at: "DesignedSequence", says: "no schema mirrors foldforge.orchestrator.v1.DesignedSequence" },
  {
    at: "Artifact.x-protobuf",
    to: "foldforge.common.v1.File",
    says: "Artifact mirrors foldforge.common.v1.File, which does not exist",
  },
  { at: "Artifact.x-protobuf", says: "Artifact says no x-protobuf and is not one of HTTP's own" },
  {
    at: "Bill",
    to: { type: "object", additionalProperties: false, properties: { id: { type: "string" } } },
    says: "Bill says no x-protobuf and is not one of HTTP's own",
  },
];

describe("contractDrift", () => {
  const parsed = parseDocument(readFileSync(openApi, "utf8"));

  it("reports nothing for the contracts of the repository", () => {
    assert.deepEqual(contractDrift(parsed.toJS(), contract), []);
  });

  for (const { at, to, says } of drifts) {
    it(`reports "${says}"`, () => {
      const document = parsed.clone();
      const path = ["components", "schemas", ...at.split(".")];
      if (to === undefined) assert.ok(document.deleteIn(path), `the document has a ${at}`);
      else document.setIn(path, document.createNode(to));
      const drift = contractDrift(document.toJS(), contract);
      assert.ok(drift.includes(says), drift.join("\n"));
    });
  }
});

describe("node test/check/drift.ts", () => {
  const scratch = eachInScratch();

  it("is part of make check-contracts", async () => {
    const { output } = await scratch().run("make", "--dry-run", "check-contracts");
    assert.match(output, /^node test\/check\/drift\.ts$/m);
  });

  it("names fields, messages and properties that only one contract has", async () => {
    scratch().edit(
      "proto/foldforge/common/v1/common.proto",
      "  string gpu_type = 1;\n",
      "  string gpu_type = 1;\n  // Its vendor.\n  string gpu_vendor = 6;\n",
    );
    scratch().write(
      "proto/foldforge/billing/v1/billing.proto",
      'syntax = "proto3";\n\n// Billing.\npackage foldforge.billing.v1;\n\n// A bill.\nmessage Bill {}\n',
    );
    scratch().edit(
      openApi,
      "          examples: [a100-80gb]\n",
      "          examples: [a100-80gb]\n        gpu_maker:\n          type: string\n          description: Its maker.\n",
    );
    assertPasses(await scratch().run("buf", "generate"));
    assertFails(
      await scratch().run("node", "test/check/drift.ts"),
      `${openApi}: ResourceSpec lacks gpu_vendor of foldforge.common.v1.ResourceSpec`,
      `${openApi}: no schema mirrors foldforge.billing.v1.Bill`,
      `${openApi}: ResourceSpec has gpu_maker, which foldforge.common.v1.ResourceSpec lacks`,
    );
  });
});
