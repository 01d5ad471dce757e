import assert from "node:assert/strict";
import { html, htmlDocument } from "../../src/docs/html.ts";
import { inline, markdown } from "../../src/docs/markdown.ts";

const linkOf = (name: string) => (name === "Workflow" ? "#schema-Workflow" : undefined);
const textOf = (value: ReturnType<typeof inline>) => htmlDocument(html`${value}`).slice(16);

describe("inline", () => {
  for (const [text, expected] of [
    ["a `b` **c** d\n", "a <code>b</code> <strong>c</strong> d"],
    ["a `Workflow`", `a <a href="#schema-Workflow"><code>Workflow</code></a>`],
    ["`<script>`", "<code>&lt;script&gt;</code>"],
    ["**<b>**", "<strong>&lt;b&gt;</strong>"],
    ["<img src=x onerror=alert(1)>", "&lt;img src=x onerror=alert(1)&gt;"],
    ["[x](javascript:alert(1))", "[x](javascript:alert(1))"],
    ["`open", "`open"],
    ["2 ** 3 ** ``", "2 <strong> 3 </strong> ``"],
    ["", ""],
  ] as const)
    it(`shows ${JSON.stringify(text)}`, () => {
      assert.equal(textOf(inline(text, linkOf)), expected);
    });
});

describe("markdown", () => {
  it("makes a paragraph of lines without an empty one between them", () => {
    assert.equal(textOf(markdown("a\nb\n\n`c`\n", linkOf)), "<p>a\nb</p><p><code>c</code></p>");
  });
});
