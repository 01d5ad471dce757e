import { readFileSync } from "node:fs";

/** The README as it stands. */
export const readme = readFileSync("README.md", "utf8");

/** The page for who runs the gateway. */
export const operatorsPage = readFileSync("deploy/README.md", "utf8");

/** What stands below a heading of the second level, up to the next one. */
export function section(heading: string, text = readme): string {
  return text.split(/^## /m).find((text) => text.startsWith(`${heading}\n`)) ?? "";
}

/** The code blocks in one language, as they stand in `text`. */
export function blocks(language: string, text = readme): string[] {
  return [...text.matchAll(new RegExp(`^\`\`\`${language}\n([^]*?)^\`\`\`$`, "gm"))].map(
    ([, block = ""]) => block,
  );
}
