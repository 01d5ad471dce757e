import { create } from "@bufbuild/protobuf";
import { z } from "zod";
import {
  DesignedSequenceSchema,
  type DesignedSequence,
} from "../../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import { createRandom, type Random } from "../random.ts";
import { meanMetric, roundedMetric } from "../structure/structure.ts";
import {
  commonParams,
  createTool,
  defaultProtein,
  type Protein,
  type ToolFile,
  type ToolInput,
} from "./tool.ts";

const params = commonParams.extend({ num_sequences: z.int().min(1).max(50).default(1) });

/** Letters as often as designed helices have them. */
const letters = "AAAAAALLLLLLLLEEEEEEEEEKKKKKKKKRRRRRIIIIVVVVDDDSSSTTGGNNQQPFFYYMWH";

interface Design {
  readonly protein: Protein;
  readonly record: DesignedSequence;
}

function drawSequence({ length, sequence: native }: Protein[number], random: Random): string {
  const drawLetter = (_: unknown, i: number) =>
    native !== undefined && random.between(0, 1) < 0.4 ? native.charAt(i) : random.pick(letters);
  return Array.from({ length }, drawLetter).join("");
}

/** Share of positions that kept the native residue; a bare backbone counts as glycines, as its file has them. */
function recovery(sequences: readonly string[], protein: Protein): number {
  const native = protein.map(({ length, sequence = "G".repeat(length) }) => sequence).join("");
  const designed = sequences.join("");
  const kept = designed.split("").filter((letter, i) => letter === native.charAt(i)).length;
  return roundedMetric(kept / native.length);
}

function designSequence(protein: Protein, sampleIndex: number, backbone: number, random: Random): Design {
  const sequences = protein.map((chain) => drawSequence(chain, random));
  const globalScore = roundedMetric(random.between(0.7, 1.4));
  const seqRecovery = recovery(sequences, protein);
  const header = `>backbone=${backbone}, sample=${sampleIndex}, global_score=${globalScore.toFixed(4)}, seq_recovery=${seqRecovery.toFixed(4)}`;
  // ProteinMPNN writes the chains of one design with `/` between them.
  const fasta = `${header}\n${sequences.join("/")}\n`;
  return {
    protein: sequences.map((sequence) => ({ length: sequence.length, sequence })),
    record: create(DesignedSequenceSchema, { fasta, globalScore, seqRecovery, sampleIndex }),
  };
}

function* designSequences(
  { num_sequences }: z.infer<typeof params>,
  { proteins, seed }: ToolInput,
): Generator<ToolFile> {
  const backbones = proteins.length > 0 ? proteins : [defaultProtein];
  for (const [backbone, protein] of backbones.entries()) {
    const random = createRandom(`${seed}/backbone/${backbone}`);
    const designs = Array.from({ length: num_sequences }, (_, i) =>
      designSequence(protein, backbone * num_sequences + i, backbone, random),
    );
    const sequences = designs.map(({ record }) => record);
    yield {
      extension: "fasta",
      contentType: "text/x-fasta",
      text: sequences.map(({ fasta }) => fasta).join(""),
      metrics: {
        mean_global_score: meanMetric(sequences.map(({ globalScore }) => globalScore)),
        mean_seq_recovery: meanMetric(sequences.map(({ seqRecovery }) => seqRecovery)),
      },
      proteins: designs.map((design) => design.protein),
      sequences,
    };
  }
}

/** Designs `num_sequences` sequences for each backbone of the steps before; one FASTA file per backbone. */
export const proteinmpnn = createTool(params, designSequences);
