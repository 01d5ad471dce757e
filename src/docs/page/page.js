/* global addEventListener, AbortController, Response, SwaggerUIBundle, TextDecoderStream, URL, document, fetch, location, matchMedia */

/**
 * The contract as this page uses it. Requests are sent to the origin of the page, with the prefix that a proxy adds to its
 * path. A default is described, not filled in, so that an optional parameter is sent only if the user sets it. The only
 * example of an error says no more than its description, and is removed.
 */
function adapt(contract) {
  const adapted = JSON.parse(JSON.stringify(contract), (_key, value) =>
    withoutExample(withoutDefault(value)),
  );
  return { ...adapted, servers: [{ url: new URL(".", location.href).pathname }] };
}

function withoutDefault(value) {
  if (value?.in === undefined || value.schema?.default === undefined) return value;
  const { default: defaultValue, ...schema } = value.schema;
  return { ...value, schema, description: `${value.description} Default: \`${defaultValue}\`.` };
}

function withoutExample(value) {
  const { schema, examples = {} } = value?.content?.["application/json"] ?? {};
  if (schema?.$ref !== "#/components/schemas/Error" || Object.keys(examples).length > 1) return value;
  const short = { ...value };
  delete short.content;
  return short;
}

/** Like `fetch`, but passes an event stream to `show` while it arrives, since it may last for days. */
async function fetchLive(url, init, show) {
  const response = await fetch(url, init);
  if (!response.headers.get("Content-Type")?.startsWith("text/event-stream")) return response;
  const { ok, status } = response;
  const headers = Object.fromEntries(response.headers);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  try {
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      text += part.value;
      show({ ok, url, status, headers, text, data: text });
    }
  } catch (error) {
    if (init.signal.aborted) throw error;
    text += "\n(the connection broke)\n";
  }
  return new Response(text, response);
}

/** Changes what Swagger UI does with the contract and with requests. */
function requests() {
  const running = new Map();

  function stop(path, method) {
    running.get(method + path)?.abort();
    running.delete(method + path);
  }

  const wrapActions = {
    updateJsonSpec: (update) => (contract) => update(adapt(contract)),
    executeRequest: (execute, system) => (request) => {
      const { pathName: path, method } = request;
      stop(path, method);
      const controller = new AbortController();
      running.set(method + path, controller);
      const show = (response) => system.specActions.setResponse(path, method, response);
      const userFetch = (url, init) => fetchLive(url, { ...init, signal: controller.signal }, show);
      return execute({ ...request, userFetch });
    },
    clearResponse: (clear) => (path, method) => {
      stop(path, method);
      return clear(path, method);
    },
    // A response that the user has cleared is not shown again.
    setResponse: (set) => (path, method, response) =>
      response.err?.name === "AbortError" ? undefined : set(path, method, response),
  };
  return { statePlugins: { spec: { wrapActions } } };
}

/** Prevents browsers from saving the token as the value of a form field. */
function inputsWithoutAutocomplete() {
  const Input = (Original, { React }) =>
    function Input(props) {
      return React.createElement(Original, { ...props, autoComplete: "off" });
    };
  return { wrapComponents: { Input } };
}

const dark = matchMedia("(prefers-color-scheme: dark)");

function followColourScheme() {
  document.documentElement.classList.toggle("dark-mode", dark.matches);
}

dark.addEventListener("change", followColourScheme);
followColourScheme();

// Browsers cache a page, with its token and responses, and show it again on "back".
addEventListener("pageshow", ({ persisted }) => {
  if (persisted) location.reload();
});

SwaggerUIBundle({
  url: "v1/openapi.json",
  dom_id: "#documentation",
  plugins: [requests, inputsWithoutAutocomplete],
  deepLinking: true,
  tryItOutEnabled: true,
  displayRequestDuration: true,
  defaultModelsExpandDepth: 0,
  // The token is not written to the browser's storage.
  persistAuthorization: false,
  // The document is not sent to Swagger's public validator.
  validatorUrl: null,
});
