import assert from "node:assert/strict";
import { isDeepStrictEqual } from "node:util";
import type { SubmitWorkflowRequest } from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import { suite } from "../support/gateway.ts";
import { jsonPost, workflowIn } from "../support/samples.ts";
import { startStack } from "../support/stack.ts";

/**
 * Tool → param → valid values, values that are read as others or left out, and invalid values with the path of the
 * violation.
 */
const table: Record<
  string,
  Record<string, { good: unknown[]; read?: [unknown, as?: unknown][]; bad: [unknown, at?: string][] }>
> = {
  rfdiffusion: {
    contigs: {
      good: ["100-100"],
      read: [
        [100, "100-100"],
        [["100-100"], "100-100"],
      ],
      bad: [[true], [null]],
    },
    num_designs: { good: [1, 3], read: [[0]], bad: [["3"], [-1], [1.5], [null], [true]] },
    diffusion_steps: { good: [50], read: [[0]], bad: [["50"], [-1], [2.5]] },
    hotspot_res: { good: ["A30,A33", ["A30", "A33"]], bad: [[30], [{ a: 1 }], [[30]]] },
    symmetry: { good: ["C3", true], bad: [[3], [["C3"]]] },
    symmetry_type: { good: ["cyclic"], bad: [[true], [1]] },
  },
  proteinmpnn: {
    num_sequences: { good: [5], read: [[0]], bad: [["5"], [-1], [0.5]] },
    sampling_temp: {
      good: [0, 0.1, 1, [0.1, 1]],
      read: [["0.1", 0.1]],
      bad: [[-0.1], [true], [[0.1, -1], "/1"]],
    },
    fixed_positions: {
      good: [[1, "A12"]],
      read: [["1,2", [1, 2]]],
      bad: [["x"], [{}], [[true], "/0"], [[1, null], "/1"]],
    },
    omit_aas: { good: [["C", "M"]], read: [["CM", ["C", "M"]]], bad: [["7"], [[1], "/0"]] },
    use_soluble_model: { good: [true, false], bad: [["true"], [1]] },
    seed: { good: [0, 37, 9007199254740991], bad: [["37"], [-1], [1.5]] },
  },
  boltz: {
    recycling_steps: { good: [0, 3], bad: [["3"], [-1], [1.5]] },
    diffusion_samples: { good: [1], read: [[0]], bad: [["1"], [-1]] },
    sampling_steps: { good: [200], read: [[0]], bad: [["200"], [-1]] },
    chains: {
      good: [["MKV", { id: "A", sequence: "MKV" }]],
      read: [["MKV", ["MKV"]]],
      bad: [[7], [[1], "/0"]],
    },
    ligands: { good: [["CCO", { ccd: "ATP" }]], read: [["CCO", ["CCO"]]], bad: [[{}], [["CCO", 7], "/1"]] },
  },
  af2: {
    sequence: { good: ["MKV"], read: [[["MKV"], "MKV"]], bad: [[1], [["MKV", "MKV"]]] },
    msa_cache_policy: {
      good: ["USE_CACHE", "FORCE_RECOMPUTE", "CACHE_ONLY"],
      read: [
        ["MSA_CACHE_POLICY_CACHE_ONLY", "CACHE_ONLY"],
        [1, "USE_CACHE"],
        ["MSA_CACHE_POLICY_UNSPECIFIED"],
        [0],
      ],
      bad: [["use_cache"], ["NONE"], [true], [4]],
    },
    num_models: { good: [1, 5], read: [[0]], bad: [["5"], [-1], [6]] },
    num_recycles: { good: [0, 3], bad: [["3"], [-1]] },
    use_templates: { good: [true], bad: [["yes"], [1]] },
    relax: { good: [false], bad: [["false"], [0]] },
  },
};

describe("validation of tool params", () => {
  let reached: SubmitWorkflowRequest | undefined;
  const stack = suite(() =>
    startStack({
      submitWorkflow(request) {
        reached = request;
        return workflowIn(JobState.QUEUED);
      },
    }),
  );

  async function submit(tool: string, params: unknown) {
    reached = undefined;
    const body = {
      name: "n",
      steps: [
        { id: "first", tool: "af2" },
        { id: "second", tool, params },
      ],
    };
    const response = await stack().gateway.fetch("/v1/workflows", jsonPost(body));
    const { details = [] } = (await response.json()) as { details?: { path: string }[] };
    return { status: response.status, pointers: details.map(({ path }) => path) };
  }

  for (const [tool, params] of Object.entries(table)) {
    for (const [name, { good, read = [], bad }] of Object.entries(params)) {
      const accepted = [...good.map((value) => [value, value] as const), ...read];
      for (const [value, expected] of accepted) {
        it(`accepts ${tool} ${name} ${JSON.stringify(value)}`, async () => {
          assert.deepEqual(await submit(tool, { [name]: value }), { status: 201, pointers: [] });
          const params = expected === undefined ? {} : { [name]: expected };
          assert.ok(isDeepStrictEqual(reached?.spec?.steps[1]?.params, params));
        });
      }
      for (const [value, at = ""] of bad) {
        it(`rejects ${tool} ${name} ${JSON.stringify(value)} at its path`, async () => {
          const { status, pointers } = await submit(tool, { [name]: value });
          assert.equal(status, 400);
          assert.deepEqual([...new Set(pointers)], [`/body/steps/1/params/${name}${at}`]);
          assert.equal(reached, undefined);
        });
      }
    }

    it(`passes unknown params of ${tool} on unchanged`, async () => {
      const others = { "x.y/z~": [1, { deep: [null, "ü"] }], contig: 7, "": {}, constructor: "c" };
      assert.equal((await submit(tool, others)).status, 201);
      assert.deepEqual(reached?.spec?.steps[1]?.params, others);
    });

    for (const params of [null, [], "x", 1]) {
      it(`rejects ${JSON.stringify(params)} as the params of ${tool}`, async () => {
        const { status, pointers } = await submit(tool, params);
        assert.equal(status, 400);
        assert.deepEqual([...new Set(pointers)], ["/body/steps/1/params"]);
      });
    }
  }
});
