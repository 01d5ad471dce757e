import { readFileSync } from "node:fs";
import type { Contract } from "../contract.ts";
import { createStaticFile } from "./static-file.ts";
import type { StaticFile } from "./static-file.ts";

/** The files that describe the API. */
export interface Docs {
  /** The OpenAPI document. */
  readonly yaml: StaticFile;
  readonly json: StaticFile;
  /** The page that renders it. */
  readonly page: StaticFile;
  /** The files that the page loads, by name. */
  readonly pageFiles: ReadonlyMap<string, StaticFile>;
}

const css = "text/css; charset=utf-8";
const javascript = "text/javascript; charset=utf-8";

/** Media type and location of the page's files. */
const pageFiles = {
  "page.css": [css, "./page/page.css"],
  "page.js": [javascript, "./page/page.js"],
  "swagger-ui.css": [css, import.meta.resolve("swagger-ui-dist/swagger-ui.css")],
  "swagger-ui-bundle.js": [javascript, import.meta.resolve("swagger-ui-dist/swagger-ui-bundle.js")],
} as const;

/** Reads the files; throws if one is missing. The contract is copied as it is now. */
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
