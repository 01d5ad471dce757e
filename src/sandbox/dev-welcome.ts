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

/** What to try first against the gateway at `url`; each line that starts with `curl` can be pasted on its own. */
export function welcome(url: string, apiKey: string): string {
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
    "",
  ].join("\n");
}
