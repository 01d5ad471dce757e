import assert from "node:assert/strict";
import { loadContract } from "../../src/contract.ts";
import type { Schema } from "../../src/contract.ts";
import { knownParams, paramWarnings } from "../../src/validation/param-warnings.ts";
import { readParamForms } from "../../src/validation/param-forms.ts";
import { createRequestValidators } from "../../src/validation/request-validator.ts";

const { document, paths } = loadContract();
const operation = paths.flatMap((path) => path.operations).find(({ id }) => id === "submitWorkflow")!;
const validate = createRequestValidators(document)(operation);
const known = knownParams(document);

interface Outcome {
  /** The params that the tool gets; undefined: those of the request. */
  readonly reads?: Record<string, unknown>;
  /** What the message of the only violation contains. */
  readonly refused?: string;
  /** The parameters that the warnings suggest, by name. */
  readonly warns?: Record<string, string>;
}

/** What users of each tool write: in its README, its command line, its configuration, and in notebooks. */
const examples: readonly [tool: Schema["Tool"], params: Record<string, unknown>, outcome: Outcome][] = [
  ["rfdiffusion", { contigs: "150-150", num_designs: 10 }, {}],
  ["rfdiffusion", { contigs: ["150-150"] }, { reads: { contigs: "150-150" } }],
  ["rfdiffusion", { contigs: ["5-15/A10-25/30-40"] }, { reads: { contigs: "5-15/A10-25/30-40" } }],
  ["rfdiffusion", { contigs: ["A1-150/0 70-100"] }, { reads: { contigs: "A1-150/0 70-100" } }],
  ["rfdiffusion", { contigs: ["A1-150/0", "70-100"] }, { reads: { contigs: "A1-150/0 70-100" } }],
  ["rfdiffusion", { contigs: ["5-15", "A10-25", "30-40"] }, { refused: "5-15/A10-25/30-40" }],
  ["rfdiffusion", { contigs: 100 }, { reads: { contigs: "100-100" } }],
  ["rfdiffusion", { contigs: 0 }, { refused: "must be a string" }],
  ["rfdiffusion", { contigs: 12.5 }, { refused: "must be a string" }],
  ["rfdiffusion", { contigs: [100, 100] }, { refused: "must be a string" }],
  ["rfdiffusion", { contigs: [] }, { refused: "must be a string" }],
  ["rfdiffusion", { contigs: { A: "1-10" } }, { refused: "must be a string" }],
  ["rfdiffusion", { hotspot_res: ["A30", "A33", "A34"] }, {}],
  ["rfdiffusion", { hotspot_res: "A59,A83,A91" }, {}],
  ["rfdiffusion", { hotspot_res: [59, 83, 91] }, { refused: "A59" }],
  ["rfdiffusion", { hotspot_res: 59 }, { refused: "A59" }],
  ["rfdiffusion", { hotspot_res: { A: [59] } }, { refused: "A59" }],
  ["rfdiffusion", { symmetry: "tetrahedral" }, {}],
  ["rfdiffusion", { symmetry: true, symmetry_type: "cyclic" }, {}],
  ["rfdiffusion", { symmetry: 3 }, { refused: "string or boolean" }],
  ["rfdiffusion", { contig: "100-100" }, { warns: { contig: "contigs" } }],
  ["rfdiffusion", { num_design: 3 }, { warns: { num_design: "num_designs" } }],
  ["rfdiffusion", { numDesigns: 3 }, { warns: { numDesigns: "num_designs" } }],
  ["rfdiffusion", { "inference.num_designs": 10 }, { warns: { "inference.num_designs": "num_designs" } }],
  ["rfdiffusion", { "contigmap.contigs": ["1-2"] }, { warns: { "contigmap.contigs": "contigs" } }],
  ["rfdiffusion", { contigmap: { contigs: ["1-2"] } }, { warns: { contigmap: "contigs" } }],
  ["rfdiffusion", { "ppi.hotspot_res": ["A30"] }, { warns: { "ppi.hotspot_res": "hotspot_res" } }],
  ["rfdiffusion", { "diffuser.T": 50 }, { warns: { "diffuser.T": "diffusion_steps" } }],
  [
    "rfdiffusion",
    { iterations: 50, hotspot: "A30" },
    { warns: { iterations: "diffusion_steps", hotspot: "hotspot_res" } },
  ],
  ["rfdiffusion", { "denoiser.noise_scale_ca": 0, "potentials.guide_scale": 2 }, {}],

  ["rfdiffusion", { num_designs: 0, diffusion_steps: 0, contigs: "10-10" }, { reads: { contigs: "10-10" } }],
  ["rfdiffusion", { num_designs: -1 }, { refused: ">= 0" }],
  ["rfdiffusion", { num_designs: "0" }, { refused: "leave out the quotes" }],

  ["proteinmpnn", { num_sequences: 0 }, { reads: {} }],
  ["proteinmpnn", { sampling_temp: 0, seed: 0 }, {}],
  ["proteinmpnn", { num_sequences: 2, sampling_temp: 0.1, seed: 37 }, {}],
  ["proteinmpnn", { sampling_temp: "0.1" }, { reads: { sampling_temp: 0.1 } }],
  ["proteinmpnn", { sampling_temp: "0.1 0.2 0.3" }, { reads: { sampling_temp: [0.1, 0.2, 0.3] } }],
  ["proteinmpnn", { sampling_temp: [0.1] }, { reads: { sampling_temp: 0.1 } }],
  ["proteinmpnn", { sampling_temp: ["0.1", 0.2] }, { reads: { sampling_temp: [0.1, 0.2] } }],
  ["proteinmpnn", { sampling_temp: [] }, { refused: "must be a number" }],
  ["proteinmpnn", { sampling_temp: "warm" }, { refused: "such as 0.1" }],
  ["proteinmpnn", { sampling_temp: "101" }, { refused: "<= 100" }],
  ["proteinmpnn", { sampling_temp: [1, -1] }, { refused: ">= 0" }],
  ["proteinmpnn", { omit_aas: ["C", "X"] }, {}],
  ["proteinmpnn", { omit_aas: "X" }, { reads: { omit_aas: ["X"] } }],
  ["proteinmpnn", { omit_aas: "CM" }, { reads: { omit_aas: ["C", "M"] } }],
  ["proteinmpnn", { omit_aas: "C, M" }, { reads: { omit_aas: ["C", "M"] } }],
  ["proteinmpnn", { omit_aas: { A: "C" } }, { refused: "such as [C, M]" }],
  ["proteinmpnn", { fixed_positions: [1, -3, "A12"] }, {}],
  ["proteinmpnn", { fixed_positions: "A12 A13 B2" }, { reads: { fixed_positions: ["A12", "A13", "B2"] } }],
  ["proteinmpnn", { fixed_positions: "1 2 -3" }, { reads: { fixed_positions: [1, 2, -3] } }],
  ["proteinmpnn", { fixed_positions: 12 }, { reads: { fixed_positions: [12] } }],
  ["proteinmpnn", { fixed_positions: { A: [1, 2] } }, { refused: "[A12, B3]" }],
  ["proteinmpnn", { fixed_positions: "A12-A20" }, { refused: "[A12, B3]" }],
  ["proteinmpnn", { num_seq_per_target: 2 }, { warns: { num_seq_per_target: "num_sequences" } }],
  ["proteinmpnn", { omit_AAs: "X" }, { warns: { omit_AAs: "omit_aas" } }],
  [
    "proteinmpnn",
    { omit_AA: "CM", temperature: 0.05 },
    { warns: { omit_AA: "omit_aas", temperature: "sampling_temp" } },
  ],
  ["proteinmpnn", { fixed_residues: "A12" }, { warns: { fixed_residues: "fixed_positions" } }],
  ["proteinmpnn", { batch_size: 1, model_name: "v_48_020", backbone_noise: 0 }, {}],

  ["boltz", { chains: ["MKV", { id: "H", sequence: "GSH" }], ligands: ["CCO", { ccd: "ATP" }] }, {}],
  ["boltz", { chains: "MKV:GSH" }, { reads: { chains: ["MKV", "GSH"] } }],
  ["boltz", { ligands: "CCO" }, { reads: { ligands: ["CCO"] } }],
  ["boltz", { diffusion_samples: 0, sampling_steps: 0 }, { reads: {} }],
  ["boltz", { recycling_steps: 0 }, {}],
  ["boltz", { chains: "" }, { refused: "must be a list" }],
  ["boltz", { chains: "MKV::GSH" }, { refused: "must be a list" }],
  ["boltz", { chains: "MKV: " }, { refused: "must be a list" }],
  ["boltz", { ligands: " " }, { refused: "such as [CCO, ATP]" }],
  ["boltz", { chains: { A: "MKV" } }, { refused: "must be a list" }],
  ["boltz", { ligands: { smiles: "CCO" } }, { refused: "such as [CCO, ATP]" }],
  ["boltz", { chains: [1] }, { refused: "string or object" }],
  ["boltz", { sequences: [{ protein: { id: "A", sequence: "MKV" } }] }, { warns: { sequences: "chains" } }],
  [
    "boltz",
    { smiles: "CCO", num_recycles: 3 },
    { warns: { smiles: "ligands", num_recycles: "recycling_steps" } },
  ],
  ["boltz", { step_scale: 1.638, use_msa_server: true }, {}],

  ["af2", { sequence: "MKV:GSH", msa_cache_policy: "USE_CACHE", num_models: 5 }, {}],
  ["af2", { sequence: ["MKV"] }, { reads: { sequence: "MKV" } }],
  ["af2", { sequence: ["MKV", "GSH"] }, { refused: "MKVLAAGIVG:GSHMKTAYIA" }],
  ["af2", { num_recycle: 3 }, { warns: { num_recycle: "num_recycles" } }],
  [
    "af2",
    { "num-recycle": 3, "num-models": 1 },
    { warns: { "num-recycle": "num_recycles", "num-models": "num_models" } },
  ],
  ["af2", { amber: true, templates: true }, { warns: { amber: "relax", templates: "use_templates" } }],
  ["af2", { num_relax: 1 }, { warns: { num_relax: "relax" } }],
  ["af2", { query_sequence: "MKV" }, { warns: { query_sequence: "sequence" } }],
  ["af2", { num_recycles: "auto" }, { refused: "must be integer" }],
  ["af2", { num_models: 0, num_recycles: 0 }, { reads: { num_recycles: 0 } }],
  ["af2", { num_models: 6 }, { refused: "<= 5" }],
  ["af2", { num_models: 0.5 }, { refused: "must be integer" }],
  ...["USE_CACHE", "FORCE_RECOMPUTE", "CACHE_ONLY"].flatMap((policy, index): typeof examples => [
    ["af2", { msa_cache_policy: policy }, {}],
    ["af2", { msa_cache_policy: `MSA_CACHE_POLICY_${policy}` }, { reads: { msa_cache_policy: policy } }],
    ["af2", { msa_cache_policy: index + 1 }, { reads: { msa_cache_policy: policy } }],
  ]),
  ["af2", { msa_cache_policy: "MSA_CACHE_POLICY_UNSPECIFIED" }, { reads: {} }],
  ["af2", { msa_cache_policy: 0 }, { reads: {} }],
  ["af2", { msa_cache_policy: 4 }, { refused: "must be" }],
  ["af2", { msa_cache_policy: 1.5 }, { refused: "must be" }],
  ["af2", { msa_cache_policy: true }, { refused: "must be" }],
  ["af2", { msa_cache_policy: [] }, { refused: "must be" }],
  ["af2", { msa_cache_policy: "" }, { refused: "must be one of" }],
  ["af2", { msa_cache_policy: "MSA_CACHE_POLICY_USE_CASH" }, { refused: "must be one of" }],
  ["af2", { msa_cache_policy: "use_cache" }, { refused: "did you mean USE_CACHE?" }],
  ["af2", { msa_mode: "mmseqs2_uniref_env", pair_mode: "unpaired_paired", max_msa: "512:1024" }, {}],
];

describe("the parameters of a submission, as users of the tools write them", () => {
  for (const [tool, params, { reads = params, refused, warns = {} }] of examples)
    it(`${refused === undefined ? "accepts" : "refuses"} ${tool} ${JSON.stringify(params)}`, () => {
      const given = structuredClone(params);
      const body: Schema["WorkflowSpec"] = { name: "n", steps: [{ id: "a", tool, params: given }] };
      const forms = readParamForms(body);
      const schema = validate({ query: {}, headers: {}, params: {}, body });
      const violations = forms.length > 0 ? forms : schema;
      if (refused === undefined) {
        assert.deepEqual(violations, []);
        assert.deepEqual(given, reads);
      } else {
        assert.ok(violations.length > 0);
        for (const { path, message } of violations) {
          assert.ok(path.startsWith(`/body/steps/0/params/${Object.keys(params)[0]}`), path);
          assert.ok(message.includes(refused), message);
        }
      }
      const suggested = paramWarnings(body, known).map(({ path, message }) => [
        path.replace("/body/steps/0/params/", ""),
        /did you mean (\w+)\?$/.exec(message)?.[1],
      ]);
      assert.deepEqual(Object.fromEntries(suggested), warns);
    });
});

describe("readParamForms", () => {
  for (const body of [
    null,
    [],
    "x",
    {},
    { steps: null },
    {
      steps: [
        null,
        1,
        { tool: "af2" },
        { tool: 1, params: {} },
        { tool: "constructor", params: { name: 1 } },
      ],
    },
    {
      steps: [
        { tool: "af2", params: [] },
        { tool: "af2", params: { sequence: null } },
      ],
    },
  ])
    it(`leaves ${JSON.stringify(body)} to the schema`, () => {
      const before = structuredClone(body);
      assert.deepEqual(readParamForms(body), []);
      assert.deepEqual(body, before);
    });

  /** Texts of 100 KB that a search or a split could take long for. */
  const longTexts = ["1", "1 ", "1,", ":", ".", "A", "A:", " ", "1e", "-"].flatMap((part) => {
    const text = part.repeat(1e5 / part.length);
    return [text, `${text}x`, `x${text}`, `1${text}!`];
  });
  for (const [tool, name] of [
    ["rfdiffusion", "contigs"],
    ["rfdiffusion", "hotspot_res"],
    ["proteinmpnn", "sampling_temp"],
    ["proteinmpnn", "omit_aas"],
    ["proteinmpnn", "fixed_positions"],
    ["boltz", "chains"],
    ["boltz", "ligands"],
    ["af2", "sequence"],
  ] as const)
    it(`reads ${longTexts.length} texts of 100 KB in ${name} in linear time`, () => {
      const { user } = process.cpuUsage();
      for (const text of longTexts) readParamForms({ steps: [{ tool, params: { [name]: text } }] });
      assert.ok(process.cpuUsage().user - user < 1_000_000);
    });

  it("leaves it to the schema to reject a text of too many items", () => {
    const params = {
      sampling_temp: "1 ".repeat(5e5),
      omit_aas: "A".repeat(1e6),
      fixed_positions: "1,".repeat(5e5) + "1",
    };
    const chains = `${"A:".repeat(5e5)}A`;
    const steps = [
      { id: "a", tool: "proteinmpnn", params },
      { id: "b", tool: "boltz", params: { chains } },
    ];
    const body = { name: "x", steps };
    assert.deepEqual(readParamForms(body), []);
    assert.deepEqual(
      validate({ query: {}, headers: {}, params: {}, body }).map(({ path }) => path),
      ["0/params/sampling_temp", "0/params/fixed_positions", "0/params/omit_aas", "1/params/chains"].map(
        (path) => `/body/steps/${path}`,
      ),
    );
  });

  it("reports at most 100 violations", () => {
    const steps = Array.from({ length: 256 }, () => ({
      tool: "rfdiffusion",
      params: { contigs: {}, hotspot_res: {} },
    }));
    assert.equal(readParamForms({ steps }).length, 100);
  });
});

describe("paramWarnings", () => {
  const warningsOf = (params: Record<string, unknown>, count = 1) =>
    paramWarnings({ steps: Array.from({ length: count }, () => ({ id: "a", tool: "af2", params })) }, known);

  it("returns at most 100 warnings", () => {
    assert.equal(warningsOf({ amber: true }, 256).length, 100);
  });

  it("compares at most 256 unknown names", () => {
    const unknown = (count: number) =>
      Object.fromEntries(Array.from({ length: count }, (_, at) => [`zzzz${at}`, 1]));
    assert.equal(warningsOf({ ...unknown(255), amber: true }).length, 1);
    assert.equal(warningsOf({ ...unknown(256), amber: true }).length, 0);
  });

  it("compares no names that are longer than any parameter, and those of objects themselves", () => {
    assert.deepEqual(
      warningsOf({ [`num_model${"s".repeat(1000)}`]: 1, constructor: 1, toString: 2, hasOwnProperty: 3 }),
      [],
    );
  });

  it("does not keep names of more than 256 characters, whatever group they are in", () => {
    const name = (length: number) => `${"x".repeat(length - 6)}.amber`;
    assert.equal(warningsOf({ [name(256)]: 1 }).length, 1);
    assert.deepEqual(warningsOf({ [name(257)]: 1, ["x".repeat(257)]: { relax: true } }), []);
  });

  it("escapes names in its pointers", () => {
    assert.equal(warningsOf({ "x/y.num_model": 1 })[0]?.path, "/body/steps/0/params/x~1y.num_model");
  });

  for (const body of [
    null,
    "x",
    {},
    { steps: [null, {}, { tool: "af2", params: 1 }, { tool: {}, params: { a: 1 } }] },
  ])
    it(`finds nothing in ${JSON.stringify(body)}`, () => assert.deepEqual(paramWarnings(body, known), []));
});

describe("knownParams", () => {
  it("has the parameters of the contract, and throws if it has none", () => {
    assert.ok(known.get("af2")?.includes("relax"));
    assert.throws(
      () => knownParams({ ...document, components: {} }),
      /the contract has no RfdiffusionParams/,
    );
  });
});
