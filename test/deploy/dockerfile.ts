import { readFileSync } from "node:fs";
import { Copy as CopyInstruction, DockerfileParser, Env, From, Label } from "dockerfile-ast";
import type { Instruction, PropertyInstruction } from "dockerfile-ast";

/** A COPY instruction; `stage` is undefined for a copy from the build context. */
export interface Copy {
  readonly stage: string | undefined;
  readonly sources: readonly string[];
  readonly target: string;
}

/** The image that deploy/Dockerfile builds. */
export interface Image {
  /** The base image, with its tag. */
  readonly base: string;
  /** In the order of the file; copies of another stage have its name. */
  readonly copies: readonly Copy[];
  readonly env: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  readonly user: string;
  readonly port: number;
  readonly stopSignal: NodeJS.Signals;
  readonly healthcheck: readonly string[];
  readonly command: readonly string[];
  /** Of every stage, in the order of the file. */
  readonly runs: readonly string[];
}

interface Stage {
  readonly from: From;
  readonly instructions: Instruction[];
}

/** Reads deploy/Dockerfile. Throws if a part of an Image is missing. */
export function readDockerfile(): Image {
  const all = DockerfileParser.parse(readFileSync("deploy/Dockerfile", "utf8")).getInstructions();
  const stages: Stage[] = [];
  for (const instruction of all) {
    if (instruction instanceof From) stages.push({ from: instruction, instructions: [] });
    else stages.at(-1)?.instructions.push(instruction);
  }
  const { base, instructions } = withParents(stages.at(-1)!, stages);
  const last = (keyword: string) =>
    textOf(instructions.findLast((instruction) => instruction.getKeyword() === keyword));
  return {
    base,
    copies: instructions.filter((instruction) => instruction instanceof CopyInstruction).map(copyFrom),
    env: pairsFrom(instructions.filter((instruction) => instruction instanceof Env)),
    labels: pairsFrom(instructions.filter((instruction) => instruction instanceof Label)),
    user: last("USER"),
    port: Number(last("EXPOSE")),
    stopSignal: last("STOPSIGNAL") as NodeJS.Signals,
    healthcheck: JSON.parse(last("HEALTHCHECK").replace(/^CMD /, "")),
    command: JSON.parse(last("CMD")),
    runs: all.filter((instruction) => instruction.getKeyword() === "RUN").map(textOf),
  };
}

/** A stage with the instructions of its base stages. */
function withParents({ from, instructions }: Stage, stages: readonly Stage[]): Stage & { base: string } {
  const name = from.getImage() ?? "";
  const parent = stages.find((stage) => stage.from.getBuildStage() === name);
  if (parent === undefined) return { base: name, from, instructions };
  const below = withParents(parent, stages);
  return { ...below, instructions: [...below.instructions, ...instructions] };
}

/** The arguments of an instruction on one line, without its flags; empty if there is no instruction. */
function textOf(instruction: Instruction | undefined): string {
  return instruction?.getRawArgumentsContent()?.replace(/\s*\\\n\s*/g, " ") ?? "";
}

function copyFrom(instruction: CopyInstruction): Copy {
  const words = textOf(instruction).split(" ");
  const stage = instruction.getFromFlag()?.getValue() ?? undefined;
  return { stage, sources: words.slice(0, -1), target: words.at(-1) ?? "" };
}

function pairsFrom(instructions: readonly PropertyInstruction[]): Record<string, string> {
  const properties = instructions.flatMap((instruction) => instruction.getProperties());
  return Object.fromEntries(properties.map((property) => [property.getName(), property.getValue() ?? ""]));
}
