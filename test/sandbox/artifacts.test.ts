import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { GetObjectCommand } from "@aws-sdk/client-s3";
import type { Artifact } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import type { Workflow } from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import { tools } from "../../src/sandbox/tools/tools.ts";
import { backboneFaults, mean, psi, readFasta, readMmcif, readPdb } from "./structure-readers.ts";
import { useSandbox } from "./support.ts";

const close = (actual: number | undefined, expected: number) =>
  assert.ok(actual !== undefined && Math.abs(actual - expected) < 1e-9, `${actual} is not ${expected}`);

describe("the artifacts of a run", () => {
  const test = useSandbox();
  let workflow: Workflow;

  before(async () => {
    workflow = await test.run([
      { id: "design", tool: "rfdiffusion", params: { contigs: "A1-50/20-30", num_designs: 3 } },
      { id: "seqs", tool: "proteinmpnn", dependsOn: ["design"], params: { num_sequences: 2 } },
      { id: "fold", tool: "af2", dependsOn: ["seqs"], params: { msa_cache_policy: "USE_CACHE" } },
      { id: "cofold", tool: "boltz", dependsOn: ["fold"] },
      { id: "own", tool: "af2", dependsOn: ["seqs"], params: { sequence: "MKTAYIAKQR" } },
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

  it("are stored under their hash, with true size, hash and type", async () => {
    const types = { pdb: "chemical/x-pdb", fasta: "text/x-fasta", cif: "chemical/x-mmcif" };
    const all = workflow.stepStatuses.flatMap((status) => status.outputs);
    assert.equal(all.length, 3 + 3 + 6 + 6 + 1);
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

  it("are backbones of the length that the contigs ask for", async () => {
    for (const { output, text } of await texts("design")) {
      const atoms = readPdb(text);
      const length = atoms.at(-1)?.residue ?? 0;
      assert.ok(length >= 70 && length <= 80, `${length} residues`);
      assert.deepEqual(backboneFaults(atoms, 24), []);
      assert.ok(text.split("\n").every((line) => line.length === 80 || line === ""));
      const turn = psi(atoms, 6);
      assert.ok(turn > -50 && turn < -40, `psi is ${turn}`);
      assert.ok(
        atoms.every(({ residueName, element, name }) => residueName === "GLY" && element === name.charAt(0)),
      );
      assert.equal(output.metrics.length, length);
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
      close(output.metrics.mean_global_score, mean(value("global_score")));
      close(output.metrics.mean_seq_recovery, mean(value("seq_recovery")));
      records.forEach(({ sequence }, k) => {
        assert.match(sequence, /^[ACDEFGHIKLMNPQRSTVWY]+$/);
        const glycines = (sequence.split("G").length - 1) / sequence.length;
        const designed = status.sequences[i * 2 + k];
        assert.ok(Math.abs((designed?.seqRecovery ?? -1) - glycines) <= 0.00005);
        close(designed?.globalScore, value("global_score")[k] ?? NaN);
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
        assert.deepEqual(backboneFaults(atoms, 24), []);
        const alphas = atoms.filter(({ name }) => name === "CA");
        assert.equal(alphas.map(({ residueName }) => oneLetter[residueName]).join(""), sequences[i]);
        const bFactors = atoms.map(({ bFactor }) => bFactor);
        close(output.metrics.plddt, mean(bFactors));
        assert.ok(bFactors.every((value) => value > 30 && value <= 100));
        assert.ok(new Set(bFactors).size > 10);
        const { plddt = NaN, ptm = NaN, confidence_score } = output.metrics;
        assert.ok(ptm > 0 && ptm < 1);
        if (step === "cofold") close(confidence_score, 0.8 * (plddt / 100) + 0.2 * ptm);
      }
    });

  it("fold the sequence of the params rather than those upstream", async () => {
    const [only] = await texts("own");
    const names = readPdb(only?.text ?? "").filter(({ name }) => name === "CA");
    assert.equal(names.map(({ residueName }) => oneLetter[residueName]).join(""), "MKTAYIAKQR");
  });
});

const oneLetter: Record<string, string> = {
  ALA: "A",
  ARG: "R",
  ASN: "N",
  ASP: "D",
  CYS: "C",
  GLN: "Q",
  GLU: "E",
  GLY: "G",
  HIS: "H",
  ILE: "I",
  LEU: "L",
  LYS: "K",
  MET: "M",
  PHE: "F",
  PRO: "P",
  SER: "S",
  THR: "T",
  TRP: "W",
  TYR: "Y",
  VAL: "V",
};

describe("tools", () => {
  const textsOf = (tool: string, params: Record<string, string | number>, seed: string) =>
    [...(tools.get(tool)?.run(params, { chains: [], seed }) ?? [])].map(({ text }) => text);

  for (const tool of tools.keys())
    it(`make the same of the same seed and something else of another (${tool})`, () => {
      const first = textsOf(tool, {}, "workflow/step");
      assert.equal(first.length, 1);
      assert.deepEqual(textsOf(tool, {}, "workflow/step"), first);
      assert.notDeepEqual(textsOf(tool, {}, "workflow/other"), first);
    });

  for (const [contigs, low, high] of [
    ["1", 1, 1],
    ["2-2", 2, 2],
    ["100-100", 100, 100],
    ["[A1-50/20-30]", 70, 80],
    ["10-20/A163-181/10-20/0 B1-5", 44, 64],
    ["A7", 1, 1],
    ["0-0/3", 3, 3],
    ["400-400", 400, 400],
  ] as const)
    it(`make sound backbones of ${contigs}`, () => {
      for (let seed = 0; seed < 5; seed++) {
        const [text = ""] = textsOf("rfdiffusion", { contigs }, `seed ${seed}`);
        const atoms = readPdb(text);
        const length = atoms.length / 4;
        assert.ok(length >= low && length <= high, `${length} residues`);
        // A ball of protein grows with the cube root of its length; a lone helix grows with the length.
        assert.deepEqual(backboneFaults(atoms, 4.2 * Math.cbrt(length) + 1), []);
      }
    });
});
