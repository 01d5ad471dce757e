/* global AbortController, FormData, Headers, URL, URLSearchParams, document, fetch, location, performance */

import { element, formatted, textBlock } from "./element.js";
import { showEvents } from "./events.js";
import { highlight } from "./highlight.js";

/** The URL of this gateway, with the prefix that a proxy may add to its paths. */
export const base = new URL(".", location.href).href.replace(/\/$/, "");

/** More text is not shown, only downloaded. */
const maxShown = 200_000;

/** The request that a form describes. Fields that are empty are left out. */
function requestFrom(form) {
  const query = new URLSearchParams();
  const headers = {};
  let path = form.dataset.path;
  let body;
  for (const field of form.elements) {
    const { name, value } = field;
    if (name === "" || value === "") continue;
    if (field.dataset.type !== undefined) {
      headers["Content-Type"] = field.dataset.type;
      body = value;
    } else if (field.dataset.in === "header") headers[name] = value;
    else if (field.dataset.in === "query") for (const line of value.split("\n")) query.append(name, line);
    else {
      const segments = field.dataset.in === "rest" ? value.split("/") : [value];
      path = path.replace(`{${name}}`, () => segments.map(encodeURIComponent).join("/"));
    }
  }
  const search = query.size === 0 ? "" : `?${query}`;
  return { url: base + path + search, method: form.dataset.method, headers, body };
}

const quoted = (text) => `'${text.replaceAll("'", `'\\''`)}'`;

/** The same request as a command, with the API key in a variable. */
function curlCommand(form) {
  const { url, method, headers, body } = requestFrom(form);
  const options = [form.dataset.curl, method === "GET" || body !== undefined ? "" : `-X ${method}`];
  return [
    ["curl -sS", ...options.filter(Boolean), quoted(url)].join(" "),
    ...(form.querySelector(".token") === null ? [] : [`-H "Authorization: Bearer $FOLDFORGE_TOKEN"`]),
    ...Object.entries(headers).map(([name, value]) => `-H ${quoted(`${name}: ${value}`)}`),
    ...(body === undefined ? [] : [`-d ${quoted(body)}`]),
  ].join(" \\\n  ");
}

/** Fills in the workflow and its first file wherever a later request may need them. */
function useIn(forms, response) {
  const { workflow_update: update, step_update: step, step_statuses: steps = [], artifacts = [] } = response;
  if (update !== undefined) return useIn(forms, update);
  const [first] = [...artifacts, ...[step, ...steps].flatMap((status) => status?.outputs ?? [])];
  const values = { id: response.id, key: first?.uri.split("/").slice(3).join("/") };
  for (const form of forms)
    for (const [name, value] of Object.entries(values))
      if (value !== undefined && form.elements[name] !== undefined) form.elements[name].value = value;
}

async function showText(response, output, forms) {
  const text = await response.text();
  if (text === "") return;
  if (response.headers.get("Content-Type")?.startsWith("application/json")) useIn(forms, JSON.parse(text));
  const shown = formatted(text);
  const block = textBlock("Response body", shown.slice(0, maxShown));
  highlight(block.firstChild);
  output.append(block);
  if (shown.length > maxShown) output.append(element("p", {}, `The first of ${shown.length} characters.`));
}

async function showFile(response, output) {
  const file = await response.blob();
  const [, name = "file"] = /filename="?([^";]*)/.exec(response.headers.get("Content-Disposition")) ?? [];
  const link = element("a", { href: URL.createObjectURL(file), download: name }, `Download ${name}`);
  output.append(element("p", {}, link, ` (${file.size.toLocaleString("en")} bytes)`));
}

/** The reason of an abort by the button. The next request aborts without a reason. */
const stopped = "stopped";

/** Sends what the form describes, and shows the response while it comes. */
async function send(form, forms, signal) {
  const status = form.querySelector("[role=status]");
  const output = form.querySelector(".response");
  const { url, ...init } = requestFrom(form);
  const token = form.querySelector(".token")?.value.trim();
  if (token) init.headers["Authorization"] = `Bearer ${token}`;
  const start = performance.now();
  status.textContent = "Sent.";
  output.replaceChildren();
  try {
    const response = await fetch(url, { ...init, signal, cache: "no-store", credentials: "omit" });
    const type = response.headers.get("Content-Type") ?? "";
    const time = `${Math.round(performance.now() - start)} ms`;
    const className = response.ok ? "ok" : "failed";
    const text = `${response.status} ${response.statusText}`;
    status.replaceChildren(element("strong", { className }, text), ` in ${time}`);
    const headers = [...response.headers].map(([name, value]) => `${name}: ${value}`).join("\n");
    output.append(
      element("details", {}, element("summary", {}, "Headers"), textBlock("Response headers", headers)),
    );
    if (response.headers.has("Content-Disposition")) await showFile(response, output);
    else if (!type.startsWith("text/event-stream")) await showText(response, output, forms);
    else {
      await showEvents(response.body, output, (data) => useIn(forms, data));
      status.append(", and the stream has ended");
    }
  } catch (error) {
    if (signal.reason === stopped) status.append(" (stopped)");
    else if (!signal.aborted)
      status.append(element("strong", { className: "failed" }, ` Failed: ${error.message}`));
  }
}

/** Makes the form of an operation send requests to this gateway. `forms` are those of all operations. */
export function setUpForm(form, forms) {
  const stop = form.querySelector(".stop");
  const curl = form.querySelector(".curl");
  let controller = new AbortController();

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    controller.abort();
    const own = (controller = new AbortController());
    stop.hidden = false;
    await send(form, forms, own.signal);
    if (own === controller) stop.hidden = true;
  });
  stop.addEventListener("click", () => controller.abort(stopped));
  const showCurl = () => (curl.querySelector("code").textContent = curlCommand(form));
  form.addEventListener("input", showCurl);
  curl.addEventListener("toggle", showCurl);
}
