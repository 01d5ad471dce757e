import { createHash } from "node:crypto";
import { upstreamOperations } from "../support/operations.ts";
import { storeText } from "./raw-store.ts";

const canary = (what: string) => `cnry.${what}.5f1d8c`;

/** Texts that no response, log or metric may contain. */
export const secrets = {
  adminToken: canary("admin-token"),
  apiKey: canary("api-key"),
  wrongToken: canary("wrong-token"),
  cookie: canary("cookie"),
  password: canary("password"),
  accessKeyId: canary("access-key-id"),
  secretAccessKey: canary("secret-access-key"),
  stripeKey: "sk_test_cnry5f1d8c",
  webhookSecret: "whsec_cnry5f1d8c",
  previousWebhookSecret: "whsec_previouscnry5f1d8c",
};

/** Settings with the secrets of Stripe, whose API is at `endpoint`. */
export const stripeSettings = (endpoint: string) => ({
  STRIPE_ENDPOINT: endpoint,
  STRIPE_SECRET_KEY: secrets.stripeKey,
  STRIPE_WEBHOOK_SECRET: secrets.webhookSecret,
  STRIPE_WEBHOOK_SECRET_PREVIOUS: secrets.previousWebhookSecret,
});

/** Text of clients other than tokens, which no log or metric may contain. */
export const clientText = canary("of-the-client");

/** Texts of the orchestrator and of the object store that only the log may contain. */
export const internalTexts = { upstream: canary("of-the-orchestrator"), store: storeText };

/** Fails if `text` contains one of `texts`, in plain, as its SHA-256, or in Base64. */
function assertContainsNone(where: string, text: string, texts: readonly string[]): void {
  for (const forbidden of texts) {
    const digest = createHash("sha256").update(forbidden).digest("hex");
    for (const form of [forbidden, digest, Buffer.from(forbidden).toString("base64")]) {
      const at = text.indexOf(form);
      if (at >= 0)
        throw new Error(`${where} contains ${forbidden}: ${text.slice(Math.max(0, at - 300), at + 100)}`);
    }
  }
}

/** Fails if a log or the metrics contain a forbidden text. */
export function assertNoSecrets(where: string, text: string): void {
  assertContainsNone(where, text, [...Object.values(secrets), clientText]);
  if (/authorization|AWS4-HMAC/i.test(text)) throw new Error(`${where} contains an Authorization header`);
}

/** Fails if responses contain a forbidden text. */
export function assertNothingInternal(responses: string): void {
  assertContainsNone("a response", responses, [...Object.values(secrets), ...Object.values(internalTexts)]);
}

const head = (method: string, target: string, lines: readonly string[]) =>
  [`${method} ${target} HTTP/1.1`, "Host: gateway", "Connection: close", ...lines, "", ""].join("\r\n");

const bearer = (token: string) => `Authorization: Bearer ${token}`;

function withBody(lines: readonly string[], body: string, target = "/v1/workflows"): string {
  return head("POST", target, [...lines, `Content-Length: ${Buffer.byteLength(body)}`]) + body;
}

/** Headers that carry a token, in a valid or an invalid form. */
const credentials: readonly (readonly string[])[] = [
  [bearer(secrets.adminToken)],
  [bearer(secrets.apiKey)],
  [bearer(secrets.wrongToken)],
  [`authorization: bearer ${secrets.wrongToken}`],
  [`AUTHORIZATION: Bearer ${secrets.wrongToken} ${secrets.wrongToken}`],
  [`Authorization: Bearer "${secrets.wrongToken}"`],
  [`Authorization: ${secrets.wrongToken}`],
  [`Authorization: Token ${secrets.wrongToken}`],
  [`Authorization: Basic ${Buffer.from(secrets.password).toString("base64")}`],
  [`Authorization: Digest username="${secrets.password}"`],
  [`Authorization: Bearer ${secrets.wrongToken}\u00e9`],
  [bearer(secrets.adminToken), bearer(secrets.apiKey)],
  [`Cookie: token=${secrets.cookie}; session=${secrets.cookie}`],
  [`X-Api-Key: ${secrets.apiKey}`, `Proxy-Authorization: Bearer ${secrets.wrongToken}`],
  [],
];

/** Requests of one caller for every operation that calls the orchestrator. */
export function operationRequests(lines: readonly string[], query = ""): string[] {
  return upstreamOperations.map(({ path, init }) => {
    const { method = "GET", body } = init;
    if (typeof body !== "string") return head(method, path + query, lines);
    return withBody(
      ["Content-Type: application/json", `Idempotency-Key: ${clientText}`, ...lines],
      body,
      path + query,
    );
  });
}

/** Requests that carry canaries wherever a client may put them. */
export function canaryRequests(): string[] {
  const admin = [bearer(secrets.adminToken)];
  const json = [...admin, "Content-Type: application/json"];
  const step = { id: "a", tool: "af2" };
  const page = `https://app.example/${clientText}`;
  const purchase = { credits: 500, success_url: page, cancel_url: page };
  const spec = (more: object) => JSON.stringify({ name: "one", steps: [step], ...more });
  const inQuery = ["access_token", "token", "api_key", "authorization", "key"].flatMap((name) =>
    operationRequests([], `?${name}=${secrets.apiKey}`),
  );
  return [
    ...[...credentials].flatMap((lines) => operationRequests(lines)),
    ...inQuery,
    ...credentials.map((lines) => head("GET", "/v1/readyz", lines)),
    ...[
      spec({ [clientText]: clientText }),
      spec({ labels: { [clientText]: clientText, empty: 1 } }),
      spec({ steps: [{ ...step, tool: clientText }] }),
      spec({ steps: [{ ...step, params: { [clientText]: clientText, msa_cache_policy: clientText } }] }),
      spec({ steps: [{ ...step, depends_on: [clientText] }] }),
      spec({ steps: [{ ...step, params: { __proto__: clientText, deep: clientText } }, { ...step }] }),
      spec({ steps: clientText, labels: { a: clientText } }),
      `{"name": "${clientText}", `,
      `${clientText} is no JSON`,
      `"${clientText}"`,
      `{"name": "${clientText}${"x".repeat(1_100_000)}"}`,
    ].map((body) => withBody(json, body)),
    withBody(
      [bearer(secrets.apiKey), "Content-Type: application/json", `Idempotency-Key: ${clientText}`],
      JSON.stringify(purchase),
      "/v1/billing/checkout",
    ),
    withBody(
      ["Content-Type: application/json", `Stripe-Signature: t=1,v1=${clientText}`],
      clientText,
      "/v1/billing/webhook",
    ),
    withBody([...admin, `Content-Type: ${clientText}`], clientText),
    withBody([...json, `Content-Encoding: ${clientText}`], clientText),
    withBody([...json, "Idempotency-Key: \u00e9" + clientText], spec({})),
    `${head("POST", "/v1/workflows", [...json, "Transfer-Encoding: chunked"])}zz ${clientText}\r\n`,
    ...[
      `/v1/workflows/${clientText}%00`,
      `/v1/${clientText}`,
      `/v1/workflows/w1/artifacts/${clientText}%5c`,
      `/v1/workflows/w1/artifacts/${clientText}%`,
      `/v1/workflows/w1/artifacts/%2e%2e/${clientText}`,
      `/v1/workflows?label=${clientText}`,
      `/v1/workflows?label=team%3D${clientText}&page_token=${clientText}`,
      `/v1/workflows?state=${clientText}&${clientText}=1`,
      `/v1/workflows?page_size=${clientText}`,
      `http://${clientText}/v1/workflows/w1`,
      `/${"x".repeat(9000)}${clientText}`,
    ].map((target) => head("GET", target, [...admin, `X-Request-Id: ${clientText}`])),
    head("PUT", `/v1/workflows/${clientText}`, admin),
    head("GET", "/v1/workflows/w1/events", [...admin, `Last-Event-ID: ${clientText}`]),
    head("GET", "/v1/workflows/w1", [...admin, `X-Large: ${clientText}${"x".repeat(20_000)}`]),
    head("GET", "/v1/workflows/w1", [...admin, `traceparent: ${clientText}`, `tracestate: ${clientText}`]),
    head("GET", "/v1/workflows/w1", [...admin, `${clientText} is no header`]),
    head("GET", "/v1/workflows/w1", [...admin, `TE: ${clientText}`]),
    `CONNECT ${clientText}:80 HTTP/1.1\r\nHost: ${clientText}\r\n${admin[0]}\r\n\r\n`,
    `${clientText} / HTTP/1.1\r\n${admin[0]}\r\n\r\n`,
    `GET / ${clientText}/1.1\r\n${admin[0]}\r\n\r\n`,
  ];
}
