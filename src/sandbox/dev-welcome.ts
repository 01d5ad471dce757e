import type { ApiKeySetting, SandboxSettings } from "./settings.ts";

/** A workflow of three steps, each fed by the one before. */
const exampleWorkflow = {
  name: "design-then-fold",
  labels: { team: "alpha" },
  steps: [
    { id: "design", tool: "rfdiffusion", params: { contigs: "100-100", num_designs: 3 } },
    { id: "seqs", tool: "proteinmpnn", depends_on: ["design"], params: { num_sequences: 5 } },
    { id: "fold", tool: "af2", depends_on: ["seqs"], params: { msa_cache_policy: "USE_CACHE" } },
  ],
};

/** What the reader needs to know of the sandbox. */
type WelcomeSettings = Pick<SandboxSettings, "apiKeys" | "pricePerStep">;

/** What to try first against the gateway at `url`; each line that starts with `curl` can be pasted on its own. */
export function welcome(url: string, { apiKeys, pricePerStep }: WelcomeSettings): string {
  const [{ key: apiKey } = { key: "" }] = apiKeys;
  const auth = `-H 'Authorization: Bearer ${apiKey}'`;
  const workflows = `${url}/v1/workflows`;
  // The list starts {"workflows":[{"id":"<the newest>": its id is the sixth field between quotes.
  const newest = `$(curl -sS '${workflows}?page_size=1' ${auth} | cut -d'"' -f6)`;
  const demo = url === "http://127.0.0.1:8080" ? "make demo" : `FOLDFORGE_URL=${url} make demo`;
  return [
    `FoldForge is ready at ${url}. Ctrl-C stops it.`,
    `In another terminal, \`${demo}\` shows all of this at once.`,
    "",
    `Read and try the API in a browser, with the API key ${apiKey}: ${url}/docs`,
    "",
    "Submit a workflow of three steps:",
    `curl -sS '${workflows}' ${auth} -H 'Content-Type: application/json' -w '\\n' -d '${JSON.stringify(exampleWorkflow)}'`,
    "",
    "Follow the newest workflow as it runs:",
    `curl -sS -N "${workflows}/${newest}/events" ${auth}`,
    "",
    "List the workflows:",
    `curl -sS '${workflows}?page_size=20' ${auth} -w '\\n'`,
    "",
    ...purchase(url, apiKeys, pricePerStep),
    "",
  ].join("\n");
}

/** How to run out of credits and buy some, if a principal has too few for the example. */
function purchase(url: string, apiKeys: readonly ApiKeySetting[], pricePerStep: bigint): readonly string[] {
  const price = pricePerStep * BigInt(exampleWorkflow.steps.length);
  const buyer = apiKeys.find(({ credits }) => credits !== undefined && credits < price);
  if (buyer === undefined) return [];
  const order = { credits: 500, success_url: `${url}/docs`, cancel_url: `${url}/docs` };
  return [
    `With the API key ${buyer.key} that workflow gets 402: its ${buyer.credits} credits are fewer than the price, ${price}.`,
    "Buy 500 credits: open the URL that this returns in a browser, and press Pay. No money moves.",
    `curl -sS '${url}/v1/billing/checkout' -H 'Authorization: Bearer ${buyer.key}' -H 'Content-Type: application/json' -w '\\n' -d '${JSON.stringify(order)}'`,
    "",
  ];
}
