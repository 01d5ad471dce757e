import type { Api, Operation, Parameter, Schema } from "./document.ts";
import { html } from "./html.ts";
import type { Html } from "./html.ts";
import { copyable } from "./quick-start.ts";

/** The form that sends an operation to this gateway. The page's scripts read its `data-` attributes. */
export function tryIt(operation: Operation, { resolve }: Pick<Api, "resolve">): Html {
  const parameters = operation.parameters.map((parameter) => resolve(parameter));
  const required = parameters.filter((parameter) => parameter.required === true);
  const optional = parameters.filter((parameter) => parameter.required !== true);
  const [[type, media] = []] = Object.entries(
    operation.requestBody === undefined ? {} : resolve(operation.requestBody).content,
  );
  const [example] = Object.values(media?.examples ?? {});
  const body = example === undefined ? "" : JSON.stringify(resolve(example).value, null, 2);
  const field = (parameter: Parameter) => parameterField(parameter, resolve(parameter.schema));

  return html`<form
    class="try"
    autocomplete="off"
    data-method="${operation.method}"
    data-path="${operation.path}"
    data-curl="${curlFlags(operation, resolve)}"
  >
    <h4>Try it</h4>
    ${
      operation.secured
        ? html`<label
            >API key <input class="token" autocomplete="off" autocapitalize="none" spellcheck="false"
          /></label>`
        : undefined
    }
    ${required.map(field)}
    ${
      type === undefined
        ? undefined
        : html`<label
            >Body
            <textarea
              name="body"
              data-type="${type}"
              rows="${Math.min(24, body.split("\n").length)}"
              spellcheck="false"
            >
${body}</textarea>
          </label>`
    }
    ${
      optional.length === 0
        ? undefined
        : html`<details>
            <summary>Optional parameters</summary>
            ${optional.map(field)}
          </details>`
    }
    <p class="buttons"><button>Send</button> <button type="button" class="stop" hidden>Stop</button></p>
    <details class="curl">
      <summary>As a curl command</summary>
      ${copyable("")}
    </details>
    <p role="status"></p>
    <div class="response"></div>
  </form>`;
}

function parameterField(parameter: Parameter, schema: Schema): Html {
  const { name, required = false } = parameter;
  const place = parameter["x-multi-segment"] === true ? "rest" : parameter.in;
  if (schema.type === "array")
    return html`<label
      >${name}, one a line <textarea name="${name}" data-in="${place}" rows="2"></textarea>
    </label>`;
  const values = schema.type === "boolean" ? ["true", "false"] : schema.enum;
  if (values !== undefined)
    return html`<label
      >${name}
      <select name="${name}" data-in="${place}">
        <option></option>
        ${values.map((value) => html`<option>${value}</option>`)}
      </select></label
    >`;
  const example = parameter.example ?? schema.examples?.[0] ?? "";
  return html`<label
    >${name}
    <input
      name="${name}"
      data-in="${place}"
      placeholder="${example}"
      autocomplete="off"
      spellcheck="false"
      ${required ? html`required` : undefined}
  /></label>`;
}

/** What curl needs to show events as they come, and to store a file instead of printing it. */
function curlFlags({ responses }: Operation, resolve: Api["resolve"]): string {
  const success = responses["200"];
  const types = Object.keys((success === undefined ? undefined : resolve(success).content) ?? {});
  if (types.includes("text/event-stream")) return "-N";
  return types.includes("application/octet-stream") ? "-fOJ" : "";
}
