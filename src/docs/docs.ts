import { readFileSync } from "node:fs";
import type { Contract } from "../contract.ts";
import { createStaticFile } from "./static-file.ts";
import type { StaticFile } from "./static-file.ts";

/** What tells people and programs of the contract. */
export interface Docs {
  /** The document in force. */
  readonly yaml: StaticFile;
  readonly json: StaticFile;
  /** The page that shows it. */
  readonly page: StaticFile;
  /** What the page loads, by name. */
  readonly pageFiles: ReadonlyMap<string, StaticFile>;
}

const css = "text/css; charset=utf-8";
const javascript = "text/javascript; charset=utf-8";

/** The parts of the page: its own, and those of Swagger UI. */
const pageFiles = {
  "page.css": [css, "./page/page.css"],
  "page.js": [javascript, "./page/page.js"],
  "swagger-ui.css": [css, import.meta.resolve("swagger-ui-dist/swagger-ui.css")],
  "swagger-ui-bundle.js": [javascript, import.meta.resolve("swagger-ui-dist/swagger-ui-bundle.js")],
} as const;

/** Reads all of it; throws where a file is missing. The contract is taken as it now is. */
export function createDocs({ source, document }: Contract): Docs {
  return {
    yaml: createStaticFile("application/yaml", source),
    json: createStaticFile("application/json; charset=utf-8", JSON.stringify(document)),
    page: fileFrom("text/html; charset=utf-8", "./page/index.html"),
    pageFiles: new Map(
      Object.entries(pageFiles).map(([name, [type, place]]) => [name, fileFrom(type, place)]),
    ),
  };
}

function fileFrom(type: string, place: string): StaticFile {
  return createStaticFile(type, readFileSync(new URL(place, import.meta.url)));
}
