import { blocks, readPage, section } from "../support/pages.ts";

/** How to generate one client: a section of docs/generated-clients.md. */
export interface Recipe {
  /** The heading. */
  readonly name: string;
  /** Commands for a shell, in an empty folder that has `files`. */
  readonly commands: string;
  /** The text of each file that the section tells to save, by name. */
  readonly files: ReadonlyMap<string, string>;
  /** The names of the programs that the commands run. */
  readonly programs: readonly string[];
}

/** A code block: the name of its file, if that is the end of the text before it, its language and its text. */
const block = /(?:`([\w.-]+)`:\n\n)?^```(\w+)\n([^]*?)^```$/gm;

/** The recipes of the page, for a gateway at `url`. */
export function readRecipes(url: string): readonly Recipe[] {
  const page = readPage("docs/generated-clients.md").replaceAll("http://127.0.0.1:8080", url);
  const [getDocument = ""] = blocks(section(page, "The document"), "sh");
  return [...page.matchAll(/^###? (.* with .*)$/gm)].map(([, name = ""]) => {
    const files = new Map<string, string>();
    let commands = getDocument;
    for (const [, file, language, text = ""] of section(page, name).matchAll(block)) {
      if (file !== undefined) files.set(file, text);
      else if (language === "sh") commands += text;
      else throw new Error(`docs/generated-clients.md names no file for a block of ${language} in "${name}"`);
    }
    if (commands === getDocument) throw new Error(`docs/generated-clients.md has no commands in "${name}"`);
    return { name, commands, files, programs: programsOf(commands) };
  });
}

/** The first word of each command, but for programs by path and what every shell has. */
function programsOf(commands: string): readonly string[] {
  const lines = commands.replaceAll(/\\\n/g, " ").trim().split("\n");
  const words = lines.map((line) => line.split(" ")[0] ?? "");
  return [...new Set(words)].filter((word) => !word.includes("/") && word !== "echo");
}
