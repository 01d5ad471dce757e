import { isSigned } from "../contract.ts";
import type { Api, Operation } from "./document.ts";
import type { Field, Fields } from "./fields.ts";
import { html } from "./html.ts";
import type { Html } from "./html.ts";
import { inline, markdown } from "./markdown.ts";
import { responsesOf } from "./responses.ts";
import { tryIt } from "./try-it.ts";

/** Why an operation has no form: no reader can sign its body. */
const signed = "Needs a signature instead of a token, so it cannot be tried here.";

/** One operation: what it does, what it takes and returns, and a form to try it. */
export function operationSection(operation: Operation, api: Api, fields: Fields): Html {
  const { operationId, method, path, summary } = operation;
  return html`<details class="operation" id="${operationId}">
    <summary>
      <h3>${summary}</h3>
      <span class="route"
        ><span class="method ${method.toLowerCase()}">${method}</span> <code>${path}</code></span
      >
    </summary>
    <div class="columns">
      <div>
        ${markdown(operation.description, fields.linkOf)}
        ${operation.secured ? undefined : html`<p>${isSigned(operation) ? signed : "Needs no token."}</p>`}
        ${parametersOf(operation, api, fields)} ${bodyOf(operation, api, fields)}
        ${responsesOf(operation, api, fields)}
      </div>
      ${isSigned(operation) ? undefined : tryIt(operation, api)}
    </div>
  </details>`;
}

function parametersOf({ parameters }: Operation, { resolve }: Api, fields: Fields): Html | undefined {
  if (parameters.length === 0) return undefined;
  const rows = parameters.map((parameter): Field => {
    const { name, in: place, required = false, description, schema } = resolve(parameter);
    return { name, required, place: `, in the ${place}`, description, schema };
  });
  return html`<h4>Parameters</h4>
    ${fields.list(rows)}`;
}

function bodyOf({ requestBody }: Operation, { resolve }: Api, fields: Fields): Html | undefined {
  if (requestBody === undefined) return undefined;
  const { description, content } = resolve(requestBody);
  const media = Object.entries(content).map(
    ([type, { schema }]) =>
      html`<p>${inline(description ?? "", fields.linkOf)} <span class="type">${type}</span></p>
        ${schema === undefined ? undefined : fields.tree(schema)}`,
  );
  return html`<h4>Body</h4>
    ${media}`;
}
