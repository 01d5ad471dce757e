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

/** The headings of a text, with the places where their lines start and end. A comment in a code block is none. */
function* headings(text: string) {
  for (const match of text.matchAll(/^ *```[^]*?^ *```$|^(#+) (.+)$/gm)) {
    const [line, marks, title] = match;
    if (marks !== undefined)
      yield { level: marks.length, title, start: match.index, end: match.index + line.length };
  }
}

/** The text below a heading, up to the next heading of the same level or a higher one. */
export function section(text: string, heading: string): string {
  const all = [...headings(text)];
  const start = all.findIndex(({ title }) => title === heading);
  const { level = 0, end = 0 } = all[start] ?? {};
  if (start < 0) throw new Error(`no heading "${heading}"`);
  const next = all.slice(start + 1).find((later) => later.level <= level);
  return text.slice(end + 1, next?.start);
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
