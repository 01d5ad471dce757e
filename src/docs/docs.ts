import { accessSync, readFileSync } from "node:fs";
import type { Contract } from "../contract.ts";
import { createStaticFile } from "./static-file.ts";
import type { StaticFile } from "./static-file.ts";

/** The files that describe the API. */
export interface Docs {
  /** The OpenAPI document. */
  readonly yaml: StaticFile;
  readonly json: StaticFile;
  /** The page that shows it. Rendered once it is asked for. */
  page(): Promise<StaticFile>;
  /** The names of the files that the page loads. */
  readonly pageFileNames: readonly string[];
  /** A file that the page loads; undefined if no file has the name. Read once it is asked for. */
  pageFile(name: string): StaticFile | undefined;
}

const types = { css: "text/css; charset=utf-8", js: "text/javascript; charset=utf-8" } as const;

const pageFileNames = [
  "page.css",
  "theme.js",
  "page.js",
  "try-it.js",
  "events.js",
  "highlight.js",
  "element.js",
];

/** Throws if a file is missing. The contract is copied as it is now. */
export function createDocs({ source, document }: Contract): Docs {
  const json = JSON.stringify(document);
  const urls = new Map(
    pageFileNames.map((name) => [name, new URL(`./page/${name}`, import.meta.url)] as const),
  );
  for (const url of urls.values()) accessSync(url);
  const files = new Map<string, StaticFile>();
  let page: Promise<StaticFile> | undefined;

  async function render(): Promise<StaticFile> {
    const { renderPage } = await import("./render-page.ts");
    return createStaticFile("text/html; charset=utf-8", renderPage(JSON.parse(json) as typeof document));
  }

  return {
    yaml: createStaticFile("application/yaml", source),
    json: createStaticFile("application/json; charset=utf-8", json),
    page() {
      if (page !== undefined) return page;
      const rendered = (page = render());
      // It reads files, which fails while too many are open. The next request renders it again.
      rendered.catch(() => (page = undefined));
      return rendered;
    },
    pageFileNames,
    pageFile(name) {
      const url = urls.get(name);
      if (url === undefined) return undefined;
      const type = name.endsWith(".css") ? types.css : types.js;
      const file = files.get(name) ?? createStaticFile(type, readFileSync(url));
      files.set(name, file);
      return file;
    },
  };
}
