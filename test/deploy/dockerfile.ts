import { readFileSync } from "node:fs";
import { Copy as CopyInstruction, DockerfileParser, Env, From, Label } from "dockerfile-ast";
import type { Instruction, PropertyInstruction } from "dockerfile-ast";

/** A COPY instruction; `stage` is undefined for a copy from the build context. */
export interface Copy {
  readonly stage: string | undefined;
  readonly sources: readonly string[];
  readonly target: string;
}

/** A stage of the Dockerfile, with the instructions of the stages that it is based on, in the order of the file. */
export interface Stage {
  /** The image at the bottom, with its tag and digest. */
  readonly base: string;
  readonly copies: readonly Copy[];
  readonly runs: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly user: string;
  readonly command: readonly string[];
}

/** The image that the Dockerfile builds by default: that of the gateway. */
export interface Image extends Stage {
  readonly labels: Readonly<Record<string, string>>;
  readonly port: number;
  readonly stopSignal: NodeJS.Signals;
  readonly healthcheck: readonly string[];
}

interface Section {
  readonly from: From;
  readonly instructions: Instruction[];
}

const sections: Section[] = [];
for (const instruction of DockerfileParser.parse(readFileSync("Dockerfile", "utf8")).getInstructions()) {
  if (instruction instanceof From) sections.push({ from: instruction, instructions: [] });
  else sections.at(-1)?.instructions.push(instruction);
}

/** Reads a stage of the Dockerfile. Throws if it is missing. */
export function readStage(name: string): Stage {
  return stageFrom(withParents(sectionOf(name)));
}

/** Reads the last stage of the Dockerfile. Throws if a part of an Image is missing. */
export function readDockerfile(): Image {
  const section = withParents(sections.at(-1)!);
  const { instructions } = section;
  return {
    ...stageFrom(section),
    labels: pairsFrom(instructions.filter((instruction) => instruction instanceof Label)),
    port: Number(lastOf(instructions, "EXPOSE")),
    stopSignal: lastOf(instructions, "STOPSIGNAL") as NodeJS.Signals,
    healthcheck: JSON.parse(lastOf(instructions, "HEALTHCHECK").replace(/^CMD /, "")),
  };
}

function sectionOf(name: string): Section {
  const section = sections.find(({ from }) => from.getBuildStage() === name);
  if (section === undefined) throw new Error(`the Dockerfile has no stage ${name}`);
  return section;
}

/** A section with the instructions of the sections that it is based on. */
function withParents({ from, instructions }: Section): Section & { readonly base: string } {
  const name = from.getImage() ?? "";
  const isStage = sections.some((section) => section.from.getBuildStage() === name);
  if (!isStage) return { base: name, from, instructions };
  const below = withParents(sectionOf(name));
  return { ...below, instructions: [...below.instructions, ...instructions] };
}

function stageFrom({ base, instructions }: ReturnType<typeof withParents>): Stage {
  return {
    base,
    copies: instructions.filter((instruction) => instruction instanceof CopyInstruction).map(copyFrom),
    runs: instructions.filter((instruction) => instruction.getKeyword() === "RUN").map(textOf),
    env: pairsFrom(instructions.filter((instruction) => instruction instanceof Env)),
    user: lastOf(instructions, "USER"),
    command: JSON.parse(lastOf(instructions, "CMD") || "[]"),
  };
}

/** The arguments of the last instruction with this keyword; empty if there is none. */
function lastOf(instructions: readonly Instruction[], keyword: string): string {
  return textOf(instructions.findLast((instruction) => instruction.getKeyword() === keyword));
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
