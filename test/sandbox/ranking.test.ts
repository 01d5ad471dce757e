import assert from "node:assert/strict";
import { create } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { ArtifactSchema } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import {
  RankDesignsRequestSchema,
  StepStatusSchema,
  type RankDesignsResponse,
  type Workflow,
} from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import { rankDesigns } from "../../src/sandbox/ranking.ts";
import { as, useSandbox } from "./support.ts";

describe("rankDesigns", () => {
  /** The ids of three designs by a metric, best first. */
  function idsBy(metric: string, maximize?: boolean) {
    const outputs = [
      { uri: "r2://b/one", sha256: "aa", metrics: { [metric]: 1 } },
      { uri: "r2://b/three", metrics: { [metric]: 3 } },
      { uri: "r2://b/two", sha256: "bb", metrics: { [metric]: 2 } },
    ].map((output) => create(ArtifactSchema, output));
    const status = create(StepStatusSchema, { stepId: "s", outputs });
    const request = create(RankDesignsRequestSchema, {
      metric,
      ...(maximize === undefined ? {} : { maximize }),
    });
    return rankDesigns([status], request).designs.map(({ id }) => id);
  }
  const rising = ["aa", "bb", "r2://b/three"];

  it("identifies artifacts by sha256, and by uri without one", () => {
    assert.deepEqual(idsBy("length", false), rising);
  });

  const errorsAndScores = ["pae", "mean_pae", "rmsd", "ca_rmsd", "global_score", "mean_global_score"];
  for (const metric of [...errorsAndScores, "radius_of_gyration"])
    it(`puts the lowest ${metric} first by default`, () => {
      assert.deepEqual(idsBy(metric), rising);
      assert.deepEqual(idsBy(metric, true), rising.toReversed());
    });

  for (const metric of ["plddt", "ptm", "confidence_score", "seq_recovery", "paean", "xrmsd"])
    it(`puts the highest ${metric} first by default`, () => {
      assert.deepEqual(idsBy(metric), rising.toReversed());
      assert.deepEqual(idsBy(metric, false), rising);
    });
});

describe("RankDesigns", () => {
  const test = useSandbox();
  let workflow: Workflow;

  before(async () => {
    workflow = await test.run(
      [
        { id: "seqs", tool: "proteinmpnn", params: { num_sequences: 6 } },
        { id: "fold", tool: "af2", dependsOn: ["seqs"] },
      ],
      as("alice"),
    );
  });

  const scores = ({ designs }: RankDesignsResponse) => designs.map(({ score }) => score);
  const falling = (values: number[]) => values.toSorted((a, b) => b - a);

  it("puts the highest pLDDT first and numbers from 1", async () => {
    const response = await test.orchestrator.rankDesigns({ workflowId: workflow.id, metric: "plddt" });
    assert.equal(response.totalConsidered, 6 + 6 + 1);
    assert.equal(response.totalRanked, 6);
    assert.deepEqual(
      response.designs.map(({ rank }) => rank),
      [1, 2, 3, 4, 5, 6],
    );
    assert.deepEqual(scores(response), falling(scores(response)));
    const hashes = workflow.stepStatuses[1]?.outputs.map(({ sha256 }) => sha256);
    assert.deepEqual(new Set(response.designs.map(({ id }) => id)), new Set(hashes));
    assert.ok(response.designs.every(({ kind, sourceStep }) => kind === "artifact" && sourceStep === "fold"));
    assert.equal(response.designs[0]?.metrics.plddt, response.designs[0]?.score);
  });

  it("ranks the lowest global score first unless the request says otherwise", async () => {
    const request = { workflowId: workflow.id, metric: "global_score" };
    const lowest = await test.orchestrator.rankDesigns(request);
    const highest = await test.orchestrator.rankDesigns({ ...request, maximize: true });
    assert.deepEqual(scores(highest), falling(scores(lowest)));
    assert.deepEqual(scores(lowest), falling(scores(lowest)).reverse());
    assert.ok(lowest.designs.every(({ kind }) => kind === "sequence"));
    assert.ok(lowest.designs.some(({ id }) => id === "seq:5"));
  });

  it("cuts to top_k after filtering, bounds included", async () => {
    const request = { workflowId: workflow.id, metric: "plddt" };
    const all = scores(await test.orchestrator.rankDesigns(request));
    const [, second, third] = all;
    assert.ok(second !== undefined && third !== undefined);
    const filters = [{ metric: "plddt", min: third, max: second }];
    const between = await test.orchestrator.rankDesigns({ ...request, filters });
    assert.deepEqual(scores(between), [second, third]);
    const first = await test.orchestrator.rankDesigns({ ...request, filters, topK: 1 });
    assert.deepEqual([scores(first), first.totalRanked], [[second], 1]);
    const other = [{ metric: "global_score", min: 0 }];
    assert.equal((await test.orchestrator.rankDesigns({ ...request, filters: other })).totalRanked, 0);
  });

  it("rejects a missing metric and bounds that cross", async () => {
    const bad = {
      workflowId: workflow.id,
      metric: "",
      filters: [{ metric: "x", min: 2, max: 1 }, { metric: "" }],
    };
    await assert.rejects(test.orchestrator.rankDesigns(bad), {
      code: Code.InvalidArgument,
      rawMessage:
        "metric: must not be empty; filters[0]: min is above max; filters[1].metric: must not be empty",
    });
  });

  it("does not find another principal's workflow", async () => {
    await assert.rejects(
      test.orchestrator.rankDesigns({ workflowId: workflow.id, metric: "plddt" }, as("bob")),
      {
        code: Code.NotFound,
      },
    );
  });
});
