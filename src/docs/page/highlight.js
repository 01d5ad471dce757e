/* global CSS, Highlight, Range */

/** The parts of JSON and of the quick start's programs. A key is a string before a colon, and stays as it is. */
const tokens = new RegExp(
  [
    /(?<comment>(?<=^|\s)(?:#|\/\/).*$)/,
    /(?<string>"(?:[^"\\\n]|\\.)*"(?!\s*:)|'[^']*'|`[^`]*`)|"(?:[^"\\\n]|\\.)*"/,
    /(?<number>(?<![\w./:-])\d[\d.]*\b|\b(?:true|false|null)\b)/,
    /(?<keyword>(?<![\w-])(?:import|from|def|return|while|for|of|in|not|with|as|if|async|function|const|let|await|throw|new|interface|export)(?![\w-]))/,
  ]
    .map(({ source }) => source)
    .join("|"),
  "gm",
);

const highlighted = new WeakSet();

/** Colours the text of an element, once, without a change of the document. */
export function highlight(code) {
  const text = code.firstChild;
  if (!text || highlighted.has(code) || !("highlights" in CSS)) return;
  highlighted.add(code);
  for (const { index, 0: found, groups } of text.data.matchAll(tokens))
    for (const [kind, value] of Object.entries(groups)) {
      if (value === undefined) continue;
      const range = new Range();
      range.setStart(text, index);
      range.setEnd(text, index + found.length);
      if (!CSS.highlights.has(kind)) CSS.highlights.set(kind, new Highlight());
      CSS.highlights.get(kind).add(range);
    }
}
