import { globSync, readFileSync } from "node:fs";

/** The paths of all pages of the documentation. */
export const pagePaths: readonly string[] = [
  ...globSync("*.md"),
  ...globSync("docs/*.md"),
  ...globSync("{deploy,src,test}/**/README.md"),
].sort();

/** The text of a page, by its path from the top of the repository. */
export function readPage(path: string): string {
  return readFileSync(path, "utf8");
}

/** The text below a heading, up to the next heading of the same level or a higher one. */
export function section(text: string, heading: string): string {
  const lines = text.split("\n");
  const start = lines.findIndex((line) => line.replace(/^#+ /, "") === heading && line.startsWith("#"));
  if (start < 0) throw new Error(`no heading "${heading}"`);
  const level = /^#+/.exec(lines[start] ?? "")?.[0].length ?? 0;
  const rest = lines.slice(start + 1);
  const end = rest.findIndex((line) => new RegExp(`^#{1,${level}} `).test(line));
  return rest.slice(0, end < 0 ? undefined : end).join("\n");
}

/** The code blocks of a text in one language. */
export function blocks(text: string, language: string): string[] {
  const fenced = new RegExp(`^ *\`\`\`${language}\n([^]*?)^ *\`\`\`$`, "gm");
  return [...text.matchAll(fenced)].map(([, block = ""]) => block);
}

/** The cells of the rows of all tables in a text whose first cell matches `first`. */
export function rows(text: string, first: RegExp): string[][] {
  return text
    .split("\n")
    .filter((line) => line.startsWith("|"))
    .map((line) =>
      line
        .split("|")
        .slice(1, -1)
        .map((cell) => cell.trim()),
    )
    .filter(([cell = ""]) => first.test(cell));
}

/** The code spans of a text. */
export function code(text = ""): string[] {
  return [...text.matchAll(/`([^`\n]+)`/g)].map(([, span = ""]) => span);
}
