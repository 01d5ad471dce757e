import { accessSync, readFileSync } from "node:fs";
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
  /** The names of the files that the page loads. */
  readonly pageFileNames: readonly string[];
  /** A file that the page loads; undefined if no file has the name. Reads it once it is asked for: they have 1.6 MiB. */
  pageFile(name: string): StaticFile | undefined;
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

/** Throws if a file is missing. The contract is copied as it is now. */
export function createDocs({ source, document }: Contract): Docs {
  const locations = new Map(
    Object.entries(pageFiles).map(([name, [type, place]]) => [name, { type, url: urlOf(place) }] as const),
  );
  for (const { url } of locations.values()) accessSync(url);
  const files = new Map<string, StaticFile>();
  return {
    yaml: createStaticFile("application/yaml", source),
    json: createStaticFile("application/json; charset=utf-8", JSON.stringify(document)),
    page: createStaticFile("text/html; charset=utf-8", readFileSync(urlOf("./page/index.html"))),
    pageFileNames: [...locations.keys()],
    pageFile(name) {
      const location = locations.get(name);
      if (location === undefined) return undefined;
      const file = files.get(name) ?? createStaticFile(location.type, readFileSync(location.url));
      files.set(name, file);
      return file;
    },
  };
}

function urlOf(place: string): URL {
  return new URL(place, import.meta.url);
}
