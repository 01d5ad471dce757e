import { nameOf } from "./document.ts";
import type { Api, MediaType, Operation, Referable, Response } from "./document.ts";
import type { Field, Fields } from "./fields.ts";
import { html } from "./html.ts";
import type { Html } from "./html.ts";
import { inline } from "./markdown.ts";

/** Whether operations share it: it is shown once, in the section of errors. */
function isShared([status, response]: [string, Referable<Response>]): boolean {
  return (status === "default" || Number(status) >= 400) && nameOf(response) !== undefined;
}

/** The responses of an operation, with links to those that it shares. */
export function responsesOf({ responses }: Operation, api: Api, fields: Fields): Html {
  const entries = Object.entries(responses);
  const own = entries.filter((entry) => !isShared(entry));
  const shared = entries.filter(isShared);
  return html`<h4>Responses</h4>
    ${own.map(([status, reference]) => {
      const response = api.resolve(reference);
      return html`<div class="response-of">
        ${headOf(status, response, api, fields)}
        ${Object.entries(response.content ?? {}).map(
          ([type, media]) =>
            html`<p class="type">${media.schema && [fields.typeOf(media.schema), ", "]}${type}</p>
              ${examplesOf(media, api)}`,
        )}
      </div>`;
    })}
    <p class="errors">
      <a href="#errors">Errors</a>:
      ${shared.map(([status]) => html`<a href="#error-${status}">${status}</a> `)}
    </p>`;
}

/** The errors that operations share, by status. */
export function errorsOf(api: Api, fields: Fields): Html {
  const errors = new Map(
    [...api.groups, ...api.operatorGroups]
      .flatMap(({ operations }) => operations.flatMap(({ responses }) => Object.entries(responses)))
      .filter(isShared),
  );
  // `default` is the last one.
  const sorted = [...errors].sort(([one], [other]) => (one < other ? -1 : 1));
  return html`${sorted.map(([status, reference]) => {
    const response = api.resolve(reference);
    return html`<div class="response-of" id="error-${status}">
      ${headOf(status, response, api, fields)}
      ${Object.values(response.content ?? {}).map((media) => examplesOf(media, api))}
    </div>`;
  })}`;
}

function headOf(status: string, response: Response, { resolve }: Api, fields: Fields): Html {
  const headers = Object.entries(response.headers ?? {}).map(([name, reference]): Field => {
    const { required = false, description, schema } = resolve(reference);
    return { name, required, description, schema };
  });
  return html`<p><strong>${status}</strong> ${inline(response.description, fields.linkOf)}</p>
    ${
      headers.length === 0
        ? undefined
        : html`<details>
            <summary>Headers</summary>
            ${fields.list(headers)}
          </details>`
    }`;
}

function examplesOf({ examples = {} }: MediaType, { resolve }: Api): Html[] {
  return Object.values(examples).map((reference) => {
    const { summary, value } = resolve(reference);
    const text = typeof value === "string" ? value : JSON.stringify(value, null, 2);
    return html`<details>
      <summary>${summary === undefined ? "Example" : `Example: ${summary}`}</summary>
      <pre tabindex="0"><code>${text}</code></pre>
    </details>`;
  });
}
