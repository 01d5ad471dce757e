import type { OpenApiDocument } from "../contract.ts";
import { apiFrom } from "./document.ts";
import type { Api, Group, Schema } from "./document.ts";
import { createFields } from "./fields.ts";
import type { Fields } from "./fields.ts";
import { html, htmlDocument } from "./html.ts";
import type { Html } from "./html.ts";
import { markdown } from "./markdown.ts";
import { operationSection } from "./operation-section.ts";
import { quickStart } from "./quick-start.ts";
import { errorsOf } from "./responses.ts";

/** The page that shows the contract, as HTML. Its scripts add what can be tried; all text is in it. */
export function renderPage(document: OpenApiDocument): string {
  const api = apiFrom(document);
  return htmlDocument(
    html`<html lang="en">
      ${head(api)}
      <body>
        ${header(api)} ${contents(api)}
        <main>${main(api, createFields(api))}</main>
      </body>
    </html>`,
  );
}

/** A white F. */
const icon =
  "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E" +
  "%3Crect width='16' height='16' rx='4' fill='%230a6464'/%3E" +
  "%3Cpath d='M5.5 12.5v-9h6m-6 4.5h4' stroke='%23fff' stroke-width='2' fill='none'/%3E%3C/svg%3E";

function head({ info }: Api): Html {
  return html`<head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <title>${info.title}</title>
    <meta name="description" content="${info.summary}" />
    <link rel="icon" href="${icon}" />
    <link rel="stylesheet" href="docs/page.css" />
    <script src="docs/theme.js"></script>
    <script src="docs/page.js" type="module"></script>
    <link rel="modulepreload" href="docs/try-it.js" />
    <link rel="modulepreload" href="docs/events.js" />
    <link rel="modulepreload" href="docs/highlight.js" />
    <link rel="modulepreload" href="docs/element.js" />
  </head>`;
}

function header({ info }: Api): Html {
  return html`<header>
    <a href="#quick-start">${info.title}</a>
    <label
      >Colours
      <select id="theme">
        <option value="">System</option>
        <option value="light">Light</option>
        <option value="dark">Dark</option>
      </select>
    </label>
    <button type="button" popovertarget="contents">Contents</button>
  </header>`;
}

/** Beside the page or, on a phone, over it. */
function contents({ groups, operatorGroups }: Api): Html {
  const group = ({ name, operations }: Group) =>
    html`<li>
      <a href="#tag-${name}">${name}</a>
      <ul>
        ${operations.map(({ operationId, summary }) => html`<li><a href="#${operationId}">${summary}</a></li>`)}
      </ul>
    </li>`;
  return html`<nav id="contents" popover aria-label="Contents">
    <ul>
      <li><a href="#quick-start">Quick start</a></li>
      <li><a href="#overview">Overview</a></li>
      ${groups.map(group)}
      <li><a href="#tool-parameters">Tool parameters</a></li>
      <li><a href="#errors">Errors</a></li>
      <li><a href="#schemas">Schemas</a></li>
      ${operatorGroups.map(group)}
    </ul>
  </nav>`;
}

function main(api: Api, fields: Fields): Html {
  const { title, version, summary, description } = api.info;
  const schemas = Object.entries(api.schemas);
  const isToolParams = ([name]: [string, Schema]) => name.endsWith("Params");
  return html`<h1>${title} <small>${version}</small></h1>
    <p class="lead">${summary}</p>
    ${section("quick-start", "Quick start", quickStart())}
    ${section(
      "overview",
      "Overview",
      html`${markdown(description, fields.linkOf)}
        <p>
          This page as an OpenAPI document: <a href="v1/openapi.yaml">YAML</a>,
          <a href="v1/openapi.json">JSON</a>.
        </p>`,
    )}
    ${api.groups.map((group) => groupSection(group, api, fields))}
    ${section(
      "tool-parameters",
      "Tool parameters",
      html`<p>The <code>params</code> of a step, by its tool.</p>
        ${schemas.filter(isToolParams).map((schema) => definition(schema, fields))}`,
    )}
    ${section(
      "errors",
      "Errors",
      html`${markdown("The body of every error is an `Error`.", fields.linkOf)} ${errorsOf(api, fields)}`,
    )}
    ${section(
      "schemas",
      "Schemas",
      html`${schemas.filter((schema) => !isToolParams(schema)).map((schema) => definition(schema, fields))}`,
    )}
    ${api.operatorGroups.map((group) => groupSection(group, api, fields))}`;
}

function section(id: string, title: string, content: Html): Html {
  return html`<section id="${id}">
    <h2>${title}</h2>
    ${content}
  </section>`;
}

function groupSection({ name, description, operations }: Group, api: Api, fields: Fields): Html {
  return section(
    `tag-${name}`,
    name,
    html`${markdown(description, fields.linkOf)}
    ${operations.map((operation) => operationSection(operation, api, fields))}`,
  );
}

function definition([name, schema]: [string, Schema], fields: Fields): Html {
  return html`<details class="schema" id="schema-${name}">
    <summary><h3>${name}</h3></summary>
    ${fields.definition(schema)}
  </details>`;
}
