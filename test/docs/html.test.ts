import assert from "node:assert/strict";
import { html, htmlDocument } from "../../src/docs/html.ts";
import type { Insertable } from "../../src/docs/html.ts";

const textOf = (value: Insertable) => htmlDocument(html`${value}`).replace("<!doctype html>\n", "");

describe("html", () => {
  const cases: [what: string, value: Insertable, text: string][] = [
    ["escapes text", `<b title="x">'&amp;`, "&lt;b title=&quot;x&quot;&gt;&#39;&amp;amp;"],
    ["inserts markup as it is", html`<b>${"<"}</b>`, "<b>&lt;</b>"],
    ["joins lists", ["a", html`<br />`, ["<"]], "a<br />&lt;"],
    ["inserts numbers", 0, "0"],
    ["leaves out undefined", undefined, ""],
  ];
  for (const [what, value, text] of cases)
    it(what, () => {
      assert.equal(textOf(value), text);
    });

  it("takes no value from JSON for markup", () => {
    const forged = JSON.parse('{"markup":"<b>","Symbol(markup)":"<b>"}');
    assert.throws(() => textOf(forged), TypeError);
  });

  it("keeps the line breaks of text, and drops the indentation of templates", () => {
    const list = html`<ul>
      <li>${"a\n  b"}</li>
    </ul>`;
    assert.equal(textOf(list), "<ul>\n<li>a\n  b</li>\n</ul>");
  });
});
