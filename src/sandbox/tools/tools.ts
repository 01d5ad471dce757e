import { af2 } from "./af2.ts";
import { boltz } from "./boltz.ts";
import { proteinmpnn } from "./proteinmpnn.ts";
import { rfdiffusion } from "./rfdiffusion.ts";
import type { Tool } from "./tool.ts";

/** The tools by the name that a step gives. */
export const tools: ReadonlyMap<string, Tool> = new Map(
  Object.entries({ rfdiffusion, proteinmpnn, boltz, af2 }),
);
