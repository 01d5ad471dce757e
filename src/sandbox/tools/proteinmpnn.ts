import { create } from "@bufbuild/protobuf";
import { z } from "zod";
import {
  DesignedSequenceSchema,
  type DesignedSequence,
} from "../../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import { createRandom, type Random } from "../random.ts";
import { commonParams, createTool, defaultChain, type Chain, type ToolFile, type ToolInput } from "./tool.ts";

const params = commonParams.extend({ num_sequences: z.int().min(1).max(50).default(1) });

/** Letters as often as designed helices have them. */
const letters = "AAAAAALLLLLLLLEEEEEEEEEKKKKKKKKRRRRRIIIIVVVVDDDSSSTTGGNNQQPFFYYMWH";

interface Design {
  readonly sequence: string;
  readonly record: DesignedSequence;
}

const toFourDecimals = (value: number) => Math.round(value * 1e4) / 1e4;
const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

function drawSequence({ length, sequence: native }: Chain, random: Random): string {
  const drawLetter = (_: unknown, i: number) =>
    native !== undefined && random.between(0, 1) < 0.4 ? native.charAt(i) : random.pick(letters);
  return Array.from({ length }, drawLetter).join("");
}

/** Share of positions that kept the native residue; a bare backbone counts as glycines, as its file has them. */
function recovery(sequence: string, { length, sequence: native = "G".repeat(length) }: Chain): number {
  let kept = 0;
  for (let i = 0; i < length; i++) if (sequence.charAt(i) === native.charAt(i)) kept += 1;
  return toFourDecimals(kept / length);
}

function designSequence(chain: Chain, sampleIndex: number, backbone: number, random: Random): Design {
  const sequence = drawSequence(chain, random);
  const globalScore = toFourDecimals(random.between(0.7, 1.4));
  const seqRecovery = recovery(sequence, chain);
  const header = `>backbone=${backbone}, sample=${sampleIndex}, global_score=${globalScore.toFixed(4)}, seq_recovery=${seqRecovery.toFixed(4)}`;
  const fasta = `${header}\n${sequence}\n`;
  return {
    sequence,
    record: create(DesignedSequenceSchema, { fasta, globalScore, seqRecovery, sampleIndex }),
  };
}

function* designSequences(
  { num_sequences }: z.infer<typeof params>,
  { chains, seed }: ToolInput,
): Generator<ToolFile> {
  const backbones = chains.length > 0 ? chains : [defaultChain];
  for (const [backbone, chain] of backbones.entries()) {
    const random = createRandom(`${seed}/backbone/${backbone}`);
    const designs = Array.from({ length: num_sequences }, (_, i) =>
      designSequence(chain, backbone * num_sequences + i, backbone, random),
    );
    const sequences = designs.map(({ record }) => record);
    yield {
      extension: "fasta",
      contentType: "text/x-fasta",
      text: sequences.map(({ fasta }) => fasta).join(""),
      metrics: {
        mean_global_score: mean(sequences.map(({ globalScore }) => globalScore)),
        mean_seq_recovery: mean(sequences.map(({ seqRecovery }) => seqRecovery)),
      },
      chains: designs.map(({ sequence }) => ({ length: sequence.length, sequence })),
      sequences,
    };
  }
}

/** Designs `num_sequences` sequences for each backbone upstream; one FASTA file per backbone. */
export const proteinmpnn = createTool(5n, params, designSequences);
