import { html } from "./html.ts";
import type { Html, Insertable } from "./html.ts";

/** The link to the definition of what a code span names; undefined if it names nothing. */
export type LinkOf = (name: string) => string | undefined;

/**
 * The part of CommonMark that the contract uses: paragraphs, `code` and **strong**. The rest stays text. A code span that
 * has a link gets it.
 */
export function markdown(text: string, linkOf: LinkOf): Html {
  const paragraphs = text.trim().split(/\n\s*\n/);
  return html`${paragraphs.map((paragraph) => html`<p>${inline(paragraph, linkOf)}</p>`)}`;
}

/** The same for text within a line. */
export function inline(text: string, linkOf: LinkOf): Insertable {
  return text
    .trim()
    .split(/(`[^`]+`|\*\*[^*]+\*\*)/)
    .map((part, index) => {
      // Every second part is a match.
      if (index % 2 === 0) return part;
      if (part.startsWith("**")) return html`<strong>${part.slice(2, -2)}</strong>`;
      const code = part.slice(1, -1);
      const link = linkOf(code);
      return link === undefined
        ? html`<code>${code}</code>`
        : html`<a href="${link}"><code>${code}</code></a>`;
    });
}
