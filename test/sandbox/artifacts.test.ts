import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { GetObjectCommand } from "@aws-sdk/client-s3";
import type { JsonObject } from "@bufbuild/protobuf";
import type { Artifact } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import type { Workflow } from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import type { Protein } from "../../src/sandbox/tools/tool.ts";
import { tools } from "../../src/sandbox/tools/tools.ts";
import { bondLengths, mean, readFasta, readMmcif, readPdb, sequencesOf } from "./structure-readers.ts";
import type { ReadAtom } from "./structure-readers.ts";
import { useSandbox } from "./support.ts";

/** Asserts that a metric has the expected value, to its four decimals. */
const assertClose = (actual: number | undefined, expected: number) =>
  assert.ok(
    actual !== undefined && Math.abs(actual - expected) < 0.000051 && Number(actual.toFixed(4)) === actual,
    `${actual} is not ${expected}`,
  );

function assertReadable(atoms: readonly ReadAtom[]): void {
  for (const { x, y, z, bFactor, serial } of atoms)
    assert.ok([x, y, z, bFactor, serial].every(Number.isFinite), `atom ${serial}`);
  // Viewers draw a bond between atoms that are this close.
  for (const length of bondLengths(atoms)) assert.ok(length > 1 && length < 2, `${length} Å`);
}

describe("the artifacts of a run", () => {
  const test = useSandbox();
  let workflow: Workflow;

  before(async () => {
    workflow = await test.run([
      { id: "design", tool: "rfdiffusion", params: { contigs: "A1-50/20-30", num_designs: 3 } },
      { id: "seqs", tool: "proteinmpnn", dependsOn: ["design"], params: { num_sequences: 2 } },
      { id: "fold", tool: "af2", dependsOn: ["seqs"], params: { msa_cache_policy: "USE_CACHE" } },
      { id: "cofold", tool: "boltz", dependsOn: ["fold"] },
    ]);
  });

  const outputs = (step: string) =>
    workflow.stepStatuses.find(({ stepId }) => stepId === step)?.outputs ?? [];

  async function download({ uri }: Artifact): Promise<{ text: string; contentType: string | undefined }> {
    const key = /^r2:\/\/foldforge\/(artifacts\/.+)$/.exec(uri)?.[1];
    const object = await test.s3.send(new GetObjectCommand({ Bucket: "foldforge", Key: key }));
    return { text: (await object.Body?.transformToString()) ?? "", contentType: object.ContentType };
  }

  const texts = (step: string) =>
    Promise.all(outputs(step).map(async (output) => ({ output, text: (await download(output)).text })));

  it("have the key, size, hash and type of their bytes, each another", async () => {
    const types = { pdb: "chemical/x-pdb", fasta: "text/x-fasta", cif: "chemical/x-mmcif" };
    const all = workflow.stepStatuses.flatMap((status) => status.outputs);
    assert.equal(all.length, 3 + 3 + 6 + 6);
    assert.equal(new Set(all.map(({ sha256 }) => sha256)).size, all.length);
    for (const artifact of all) {
      const { text, contentType } = await download(artifact);
      const bytes = Buffer.from(text);
      const sha256 = createHash("sha256").update(bytes).digest("hex");
      const extension = artifact.uri.split(".").at(-1) as keyof typeof types;
      assert.equal(artifact.uri, `r2://foldforge/artifacts/${sha256}.${extension}`);
      assert.equal(artifact.sha256, sha256);
      assert.equal(artifact.sizeBytes, BigInt(bytes.length));
      assert.equal(artifact.contentType, types[extension]);
      assert.equal(contentType, types[extension]);
    }
  });

  it("are backbones of the length that the contigs request", async () => {
    for (const { output, text } of await texts("design")) {
      const atoms = readPdb(text);
      assertReadable(atoms);
      const { A: sequence = "" } = sequencesOf(atoms);
      assert.match(sequence, /^G{70,80}$/);
      assert.ok(text.split("\n").every((line) => line.length === 80 || line === ""));
      assert.equal(output.metrics.length, sequence.length);
      const alphas = atoms.filter(({ name }) => name === "CA");
      const centre = (["x", "y", "z"] as const).map((axis) => mean(alphas.map((atom) => atom[axis])));
      const squares = alphas.map(
        ({ x, y, z }) =>
          (x - (centre[0] ?? 0)) ** 2 + (y - (centre[1] ?? 0)) ** 2 + (z - (centre[2] ?? 0)) ** 2,
      );
      assert.ok(Math.abs((output.metrics.radius_of_gyration ?? 0) - Math.sqrt(mean(squares))) < 0.001);
    }
  });

  it("are sequences of the backbones' lengths, the same in the files and in the status", async () => {
    const lengths = (await texts("design")).map(({ text }) => readPdb(text).at(-1)?.residue);
    const status = workflow.stepStatuses.find(({ stepId }) => stepId === "seqs");
    const files = await texts("seqs");
    assert.equal(
      files.map(({ text }) => text).join(""),
      status?.sequences.map(({ fasta }) => fasta).join(""),
    );
    assert.deepEqual(
      status?.sequences.map(({ sampleIndex }) => sampleIndex),
      [0, 1, 2, 3, 4, 5],
    );
    for (const [i, { output, text }] of files.entries()) {
      const records = readFasta(text);
      assert.deepEqual(
        records.map(({ sequence }) => sequence.length),
        [lengths[i], lengths[i]],
      );
      const value = (name: string) =>
        records.map(({ header }) => Number(new RegExp(`${name}=([\\d.]+)`).exec(header)?.[1]));
      assertClose(output.metrics.mean_global_score, mean(value("global_score")));
      assertClose(output.metrics.mean_seq_recovery, mean(value("seq_recovery")));
      records.forEach(({ sequence }, k) => {
        assert.match(sequence, /^[ACDEFGHIKLMNPQRSTVWY]+$/);
        const glycines = (sequence.split("G").length - 1) / sequence.length;
        const designed = status.sequences[i * 2 + k];
        assert.ok(Math.abs((designed?.seqRecovery ?? -1) - glycines) <= 0.00005);
        assertClose(designed?.globalScore, value("global_score")[k] ?? NaN);
      });
    }
  });

  for (const [step, read] of [
    ["fold", readPdb],
    ["cofold", readMmcif],
  ] as const)
    it(`are structures of the designed sequences with their pLDDT (${step})`, async () => {
      const sequences = (await texts("seqs")).flatMap(({ text }) =>
        readFasta(text).map(({ sequence }) => sequence),
      );
      const files = await texts(step);
      assert.equal(files.length, sequences.length);
      for (const [i, { output, text }] of files.entries()) {
        const atoms = read(text);
        assertReadable(atoms);
        assert.deepEqual(sequencesOf(atoms), { A: sequences[i] });
        const bFactors = atoms.map(({ bFactor }) => bFactor);
        assertClose(output.metrics.plddt, mean(bFactors));
        assert.ok(bFactors.every((value) => value > 30 && value <= 100));
        assert.ok(new Set(bFactors).size > 10);
        const { plddt = NaN, ptm = NaN, confidence_score } = output.metrics;
        assert.ok(ptm > 0 && ptm < 1);
        if (step === "cofold") assertClose(confidence_score, 0.8 * (plddt / 100) + 0.2 * ptm);
      }
    });
});

describe("tools", () => {
  function run(tool: string, params: JsonObject, proteins: Protein[] = [], seed = "workflow/step") {
    return [...(tools.get(tool)?.run(params, { proteins, seed }) ?? [])];
  }
  const textsOf = (...args: Parameters<typeof run>) => run(...args).map(({ text }) => text);

  for (const tool of tools.keys())
    it(`make the same files of the same seed, others of another (${tool})`, () => {
      const first = textsOf(tool, {});
      assert.equal(first.length, 1);
      assert.deepEqual(textsOf(tool, {}), first);
      assert.notDeepEqual(textsOf(tool, {}, [], "workflow/other"), first);
    });

  for (const [contigs, ...lengths] of [
    ["1", [1, 1]],
    ["[A1-50/20-30]", [70, 80]],
    ["10-20/A163-181/10-20/0 B1-5", [39, 59], [5, 5]],
    ["A7", [1, 1]],
    ["0-0/3", [3, 3]],
    ["1000", [1000, 1000]],
  ] as const)
    it(`rfdiffusion designs ${contigs}`, () => {
      for (let seed = 0; seed < 5; seed++) {
        const [text = ""] = textsOf("rfdiffusion", { contigs }, [], `seed ${seed}`);
        const atoms = readPdb(text);
        assertReadable(atoms);
        const chains = Object.entries(sequencesOf(atoms)).sort();
        assert.deepEqual(
          chains.map(([id]) => id),
          lengths.map((_, i) => "AB".charAt(i)),
        );
        for (const [i, [low, high]] of lengths.entries()) {
          const { length } = chains[i]![1];
          assert.ok(length >= low && length <= high, `${length} residues`);
        }
      }
    });

  it("proteinmpnn separates the chains of a design by /", () => {
    const [file] = run("proteinmpnn", {}, [[{ length: 4 }, { length: 2 }]]);
    assert.match(readFasta(file?.text ?? "")[0]?.sequence ?? "", /^[A-Z]{4}\/[A-Z]{2}$/);
    assert.deepEqual(
      file?.proteins[0]?.map(({ length }) => length),
      [4, 2],
    );
  });

  it("af2 folds a sequence of its own, num_models times", () => {
    const texts = textsOf("af2", { sequence: "MKTAYIAKQR", num_models: 3 }, [[{ length: 7 }]]);
    assert.equal(new Set(texts).size, 3);
    for (const text of texts) assert.deepEqual(sequencesOf(readPdb(text)), { A: "MKTAYIAKQR" });
  });

  it("af2 folds the sequences between colons as the chains of a multimer", () => {
    const [file] = run("af2", { sequence: "MKV:GGW:A" });
    assert.ok(file);
    const { text, metrics, proteins } = file;
    assert.deepEqual(sequencesOf(readPdb(text)), { A: "MKV", B: "GGW", C: "A" });
    assert.equal(text.match(/^TER {3}/gm)?.length, 3);
    assert.equal(metrics.length, 7);
    const records = text.split("\n").flatMap((line) => /^(?:ATOM|TER) +(\d+)/.exec(line)?.[1] ?? []);
    assert.deepEqual(
      records.map(Number),
      records.map((_, i) => i + 1),
    );
    const [next = ""] = textsOf("boltz", {}, [...proteins]);
    assert.deepEqual(sequencesOf(readMmcif(next)), { A: "MKV", B: "GGW", C: "A" });
  });

  it("boltz folds its chains together with its ligands, diffusion_samples times", () => {
    const params = {
      chains: ["MKV", { id: "H", type: "protein", sequence: "GG" }, "W"],
      ligands: ["CC(=O)[O-]", "ATP", { id: "A", ccd: "HEM" }, { smiles: "c1ccccc1Cl" }],
      diffusion_samples: 2,
    };
    const texts = textsOf("boltz", params);
    assert.equal(new Set(texts).size, 2);
    for (const text of texts) {
      const atoms = readMmcif(text);
      assertReadable(atoms);
      assert.deepEqual(sequencesOf(atoms), { B: "MKV", H: "GG", C: "W" });
      const ligands = Object.groupBy(
        atoms.filter(({ record }) => record === "HETATM"),
        ({ chain, residueName }) => `${chain} ${residueName}`,
      );
      assert.deepEqual(
        Object.entries(ligands).map(([name, found = []]) => [
          name,
          found.map(({ element }) => element).join(" "),
        ]),
        [
          ["D LIG", "C C O O"],
          ["E ATP", "C"],
          ["A HEM", "C"],
          ["F LIG", "C C C C C C Cl"],
        ],
      );
    }
  });

  it("boltz adds its ligands to each protein of the steps before", () => {
    const texts = textsOf("boltz", { ligands: ["ATP"] }, [[{ length: 2 }], [{ length: 3 }]]);
    assert.deepEqual(
      texts.map((text) => readMmcif(text).filter(({ residueName }) => residueName === "ATP").length),
      [1, 1],
    );
  });

  for (const [tool, params, message] of [
    ["af2", { sequence: "MKV:" }, /^params\.sequence: must consist of/],
    [
      "af2",
      { sequence: `${"A:".repeat(26)}A` },
      /^params\.sequence: must have at most 1000 residues in at most 26/,
    ],
    ["af2", { num_models: 6 }, /^params\.num_models: /],
    ["boltz", { chains: [] }, /^params\.chains: /],
    ["boltz", { chains: "MKV" }, /^params\.chains: must be a list/],
    ["boltz", { chains: ["MKV", { id: "A" }] }, /^params\.chains\.1: /],
    ["boltz", { chains: ["A".repeat(600), "A".repeat(401)] }, /^params\.chains: must have at most 1000/],
    ["boltz", { chains: [{ id: "A", sequence: "M" }], ligands: [{ id: "A", ccd: "ATP" }] }, /unique/],
    ["boltz", { ligands: [{ name: "aspirin" }] }, /^params\.ligands\.0: /],
    ["boltz", { diffusion_samples: 0 }, /^params\.diffusion_samples: /],
    ["rfdiffusion", { contigs: "1/0 ".repeat(27) }, /at most 26 chains/],
  ] as const)
    it(`${tool} rejects ${JSON.stringify(params).slice(0, 60)}`, () => {
      const violations = tools.get(tool)?.violations(params as JsonObject) ?? [];
      assert.equal(violations.length, 1);
      assert.match(violations[0] ?? "", message);
    });
});
