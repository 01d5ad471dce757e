/* global addEventListener, AbortController, Response, SwaggerUIBundle, TextDecoderStream, URL, document, fetch, location, matchMedia */

/**
 * The contract as this page uses it. Requests go to where the page came from, whatever prefix a proxy puts before its
 * path. A default is told, not filled in: what is optional is sent only where somebody filled it in. And of the errors
 * that every operation has, their one example says no more than their description.
 */
function adapt(contract) {
  const adapted = JSON.parse(JSON.stringify(contract), (_key, value) =>
    withoutExample(withoutDefault(value)),
  );
  return { ...adapted, servers: [{ url: new URL(".", location.href).pathname }] };
}

function withoutDefault(value) {
  if (value?.in === undefined || value.schema?.default === undefined) return value;
  const { default: usual, ...schema } = value.schema;
  return { ...value, schema, description: `${value.description} Default: \`${usual}\`.` };
}

function withoutExample(value) {
  const { schema, examples = {} } = value?.content?.["application/json"] ?? {};
  if (schema?.$ref !== "#/components/schemas/Error" || Object.keys(examples).length > 1) return value;
  const short = { ...value };
  delete short.content;
  return short;
}

/** As `fetch`, but gives an event stream to `show` as it comes: its end may be days away. */
async function fetchLive(url, init, show) {
  const answer = await fetch(url, init);
  if (!answer.headers.get("Content-Type")?.startsWith("text/event-stream")) return answer;
  const { ok, status } = answer;
  const headers = Object.fromEntries(answer.headers);
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
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
  return new Response(text, answer);
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
      const show = (answer) => system.specActions.setResponse(path, method, answer);
      const userFetch = (url, init) => fetchLive(url, { ...init, signal: controller.signal }, show);
      return execute({ ...request, userFetch });
    },
    clearResponse: (clear) => (path, method) => {
      stop(path, method);
      return clear(path, method);
    },
    // Who cleared the answer wants to see none.
    setResponse: (set) => (path, method, answer) =>
      answer.err?.name === "AbortError" ? undefined : set(path, method, answer),
  };
  return { statePlugins: { spec: { wrapActions } } };
}

/** Keeps browsers from remembering the token as something that was typed into a field. */
function forgetfulInputs() {
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

// Browsers keep a page that was left, with its token and its answers, for those who go back to it.
addEventListener("pageshow", ({ persisted }) => {
  if (persisted) location.reload();
});

SwaggerUIBundle({
  url: "v1/openapi.json",
  dom_id: "#reference",
  plugins: [requests, forgetfulInputs],
  deepLinking: true,
  tryItOutEnabled: true,
  displayRequestDuration: true,
  defaultModelsExpandDepth: 0,
  // A token lives as long as the page: nothing is written to the browser's storage.
  persistAuthorization: false,
  // Nobody else is asked whether the document is valid.
  validatorUrl: null,
});
