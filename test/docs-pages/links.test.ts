import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { pagePaths, readPage } from "../support/pages.ts";

/** The anchors of a page's headings, as GitHub makes them. */
function anchors(text: string): Set<string> {
  const prose = text.replace(/^ *```[^]*?^ *```$/gm, "");
  const headings = [...prose.matchAll(/^#+ (.+)$/gm)].map(([, heading = ""]) => heading);
  return new Set(
    headings.map((heading) =>
      heading
        .toLowerCase()
        .replace(/[^\p{L}\p{N} _-]/gu, "")
        .replaceAll(" ", "-"),
    ),
  );
}

describe("links of the documentation", () => {
  for (const path of pagePaths)
    it(`lead to files and headings that exist, from ${path}`, () => {
      const text = readPage(path).replace(/^ *```[^]*?^ *```$/gm, "");
      const targets = [...text.matchAll(/\]\((?!https?:)([^)#]*)(?:#([^)]+))?\)/g)];
      for (const [, file = "", anchor] of targets) {
        const target = file === "" ? path : join(dirname(path), file);
        assert.ok(existsSync(target), target);
        if (anchor !== undefined) assert.ok(anchors(readPage(target)).has(anchor), `${target}#${anchor}`);
      }
    });

  it("reach every page from the index in docs/README.md", () => {
    const index = readPage("docs/README.md");
    for (const path of pagePaths.filter((path) => /^docs\/(?!README)/.test(path)))
      assert.ok(index.includes(`(${path.replace("docs/", "")})`), path);
  });
});
