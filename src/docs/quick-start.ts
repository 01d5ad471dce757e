import { readFileSync } from "node:fs";
import { html } from "./html.ts";
import type { Html } from "./html.ts";

/** Programs that do the same in several languages, in the order of their tabs. The page puts its own URL into them. */
const programs = [
  { name: "curl", file: "quick-start.sh" },
  { name: "Python", file: "quick-start.py" },
  { name: "TypeScript", file: "quick-start.ts" },
] as const;

export function quickStart(): Html {
  return html`<p>
      Each program submits a workflow, waits for its end, and downloads what it made. They read your API key
      from the environment:
    </p>
    ${copyable("export FOLDFORGE_TOKEN='your API key'")}
    <div role="tablist" aria-label="Language">
      ${programs.map(
        ({ name }) =>
          html`<button type="button" role="tab" id="tab-${name}" aria-controls="program-${name}">
            ${name}
          </button>`,
      )}
    </div>
    ${programs.map(
      ({ name, file }) =>
        html`<div role="tabpanel" id="program-${name}" aria-labelledby="tab-${name}">
          ${copyable(readFileSync(new URL(`./page/${file}`, import.meta.url), "utf8"))}
        </div>`,
    )}`;
}

/** A block of code with a button that copies it. */
export function copyable(text: string): Html {
  return html`<div class="code">
    <button type="button" class="copy">Copy</button>
    <pre tabindex="0"><code>${text}</code></pre>
  </div>`;
}
