import assert from "node:assert/strict";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  RankDesignsRequestSchema,
  RankDesignsResponseSchema,
  RankedDesignSchema,
  RankFilterSchema,
} from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import type { Schema } from "../../src/contract.ts";
import { rankRequestFromJson, rankingTranscoder, ranksNone } from "../../src/mapping/ranking.ts";
import { jsonOf } from "./transcode.ts";

/** A request with a value other than the default in every field. */
const full: Schema["RankRequest"] = {
  metric: "plddt",
  maximize: true,
  filters: [
    { metric: "ptm", min: 0.5, max: 1 },
    { metric: "é", min: -1e308 },
  ],
  top_k: 4_294_967_295,
};

/** The message that arrives at the orchestrator for a request for `w1`. */
function arrived(request: Schema["RankRequest"]) {
  const message = create(RankDesignsRequestSchema, rankRequestFromJson("w1", request));
  return fromBinary(RankDesignsRequestSchema, toBinary(RankDesignsRequestSchema, message));
}

const namesOf = ({ fields }: { readonly fields: readonly { readonly name: string }[] }) =>
  fields.map(({ name }) => name).sort();

describe("rankRequestFromJson", () => {
  it("maps every field, and preserves it over the wire", () => {
    const expected = create(RankDesignsRequestSchema, {
      workflowId: "w1",
      metric: "plddt",
      maximize: true,
      filters: [
        { metric: "ptm", min: 0.5, max: 1 },
        { metric: "é", min: -1e308 },
      ],
      topK: 4_294_967_295,
    });
    assert.deepEqual(arrived(full), expected);
  });

  it("leaves out absent fields, and requests all designs", () => {
    const { maximize, filters, topK } = arrived({ metric: "m" });
    assert.deepEqual([maximize, filters, topK], [undefined, [], 0]);
  });

  it("distinguishes false, 0 and a bound of 0 from absent fields", () => {
    const { maximize, filters } = arrived({
      metric: "m",
      maximize: false,
      filters: [{ metric: "n", max: 0 }],
    });
    assert.equal(maximize, false);
    assert.deepEqual([filters[0]?.min, filters[0]?.max], [undefined, 0]);
  });

  it("maps every field of the messages", () => {
    assert.deepEqual([...Object.keys(full), "workflow_id"].sort(), namesOf(RankDesignsRequestSchema));
    assert.deepEqual(Object.keys(full.filters![0]!).sort(), namesOf(RankFilterSchema));
  });
});

describe("rankingTranscoder", () => {
  const design = {
    rank: 4_294_967_295,
    score: 91.2,
    id: "r2://foldforge/artifacts/a.pdb",
    kind: "artifact",
    sourceStep: "fold",
    metrics: { plddt: 91.2, ptm: 0.83 },
  };
  const textOf = (...designs: object[]) =>
    jsonOf(rankingTranscoder, RankDesignsResponseSchema, {
      designs,
      totalConsidered: 21,
      totalRanked: 4_294_967_295,
    });
  const toJson = (...designs: object[]): Schema["RankResponse"] => JSON.parse(textOf(...designs));

  it("maps every field, in order", () => {
    assert.deepEqual(toJson(design, { ...design, rank: 2, kind: "sequence", id: "seq:0" }), {
      designs: [
        {
          rank: 4_294_967_295,
          score: 91.2,
          id: "r2://foldforge/artifacts/a.pdb",
          kind: "artifact",
          source_step: "fold",
          metrics: { plddt: 91.2, ptm: 0.83 },
        },
        {
          rank: 2,
          score: 91.2,
          id: "seq:0",
          kind: "sequence",
          source_step: "fold",
          metrics: { plddt: 91.2, ptm: 0.83 },
        },
      ],
      total_considered: 21,
      total_ranked: 4_294_967_295,
    });
  });

  it("writes fields in the contract's order, and metrics sorted by name", () => {
    assert.equal(
      textOf({ ...design, metrics: { ptm: 0.83, "10": 1, "9": 2, plddt: 91.2 } }),
      '{"designs":[{"rank":4294967295,"score":91.2,"id":"r2://foldforge/artifacts/a.pdb","kind":"artifact",' +
        '"source_step":"fold","metrics":{"10":1,"9":2,"plddt":91.2,"ptm":0.83}}],' +
        '"total_considered":21,"total_ranked":4294967295}',
    );
  });

  it("writes the defaults of proto3 for absent fields", () => {
    assert.equal(
      jsonOf(rankingTranscoder, RankDesignsResponseSchema, { designs: [{}] }),
      '{"designs":[{"rank":0,"score":0,"id":"","kind":"","source_step":"","metrics":{}}],' +
        '"total_considered":0,"total_ranked":0}',
    );
    assert.equal(
      jsonOf(rankingTranscoder, RankDesignsResponseSchema, {}),
      '{"designs":[],"total_considered":0,"total_ranked":0}',
    );
  });

  for (const score of [NaN, Infinity, -Infinity])
    it(`leaves out a score and metrics of ${score}, which JSON cannot express`, () => {
      const [ranked] = toJson({ ...design, score, metrics: { plddt: score, ptm: 0.5 } }).designs;
      assert.ok(ranked !== undefined && !("score" in ranked));
      assert.deepEqual(ranked.metrics, { ptm: 0.5 });
      assert.equal(ranked.rank, design.rank);
    });

  for (const score of [0, -0.5, 5e-324, 1.7976931348623157e308])
    it(`writes a score of ${score}`, () =>
      assert.equal(toJson({ ...design, score }).designs[0]?.score, score));

  it("maps every field of the messages", () => {
    const ranking = toJson(design);
    assert.deepEqual(Object.keys(ranking).sort(), namesOf(RankDesignsResponseSchema));
    assert.deepEqual(Object.keys(ranking.designs[0]!).sort(), namesOf(RankedDesignSchema));
  });
});

describe("ranksNone", () => {
  for (const [ranking, expected] of [
    [{}, false],
    [{ totalConsidered: 1 }, true],
    [{ totalConsidered: 4_294_967_295 }, true],
    [{ totalConsidered: 300, totalRanked: 300 }, false],
    [{ totalConsidered: 2, totalRanked: 1 }, false],
  ] as const)
    it(`is ${expected} for ${JSON.stringify(ranking)}`, () => {
      const bytes = toBinary(RankDesignsResponseSchema, create(RankDesignsResponseSchema, ranking));
      assert.equal(ranksNone(bytes), expected);
    });
});
