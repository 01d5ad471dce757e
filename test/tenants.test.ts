import assert from "node:assert/strict";
import { startSandbox } from "../src/sandbox/start-sandbox.ts";
import { startTestGateway, suite } from "./support/gateway.ts";
import type { TestGateway } from "./support/gateway.ts";
import { readEvents } from "./support/event-reader.ts";
import { jsonPost, threeSteps } from "./support/samples.ts";
import { sandboxSettings, settingsFor } from "./support/sandbox.ts";

/** A finished workflow of one of the callers. */
interface Owned {
  readonly id: string;
  readonly key: string;
}

const tokens = { alice: "alice-key", bob: "bob-key" };

/** Every operation on one workflow, and the status with which it succeeds on a finished one. */
const operations: readonly [
  what: string,
  status: number,
  request: (w: Owned) => [path: string, init: RequestInit],
][] = [
  ["getWorkflow", 200, ({ id }) => [`/v1/workflows/${id}`, {}]],
  ["HEAD of getWorkflow", 200, ({ id }) => [`/v1/workflows/${id}`, { method: "HEAD" }]],
  ["cancelWorkflow", 200, ({ id }) => [`/v1/workflows/${id}`, { method: "DELETE" }]],
  ["retryWorkflow", 400, ({ id }) => [`/v1/workflows/${id}/retry`, { method: "POST" }]],
  ["streamWorkflowEvents", 200, ({ id }) => [`/v1/workflows/${id}/events`, {}]],
  [
    "streamWorkflowEvents resumed",
    200,
    ({ id }) => [`/v1/workflows/${id}/events`, { headers: { "Last-Event-ID": "1" } }],
  ],
  ["downloadArtifact", 200, ({ id, key }) => [`/v1/workflows/${id}/artifacts/${key}`, {}]],
  [
    "HEAD of downloadArtifact",
    200,
    ({ id, key }) => [`/v1/workflows/${id}/artifacts/${key}`, { method: "HEAD" }],
  ],
  [
    "downloadArtifact in part",
    206,
    ({ id, key }) => [`/v1/workflows/${id}/artifacts/${key}`, { headers: { Range: "bytes=0-3" } }],
  ],
  [
    "downloadArtifact of a known file",
    304,
    ({ id, key }) => [`/v1/workflows/${id}/artifacts/${key}`, { headers: { "If-None-Match": "*" } }],
  ],
];

async function submitAndFinish(gateway: TestGateway, token?: string): Promise<Owned> {
  const as = token === undefined ? {} : { token };
  const submitted = await gateway.fetch("/v1/workflows", { ...jsonPost(threeSteps), ...as });
  assert.equal(submitted.status, 201);
  const { id } = (await submitted.json()) as { id: string };
  await readEvents(await gateway.fetch(`/v1/workflows/${id}/events`, as)).ending;
  const workflow = await gateway.fetch(`/v1/workflows/${id}`, as);
  const { state, step_statuses } = (await workflow.json()) as {
    state: string;
    step_statuses: { outputs: { uri: string }[] }[];
  };
  assert.equal(state, "SUCCEEDED");
  const [output] = step_statuses.flatMap(({ outputs }) => outputs);
  assert.ok(output);
  return { id, key: output.uri.replace("r2://foldforge/", "") };
}

describe("tenants", () => {
  const sandbox = suite(() => startSandbox(sandboxSettings));
  const gateway = suite(() => startTestGateway(settingsFor(sandbox())));
  const missing: Owned = { id: "00000000-0000-4000-8000-000000000000", key: "artifacts/none.pdb" };
  const owned: Partial<Record<keyof typeof tokens | "admin", Owned>> = {};
  before("one finished workflow each", async () => {
    owned.alice = await submitAndFinish(gateway(), tokens.alice);
    owned.bob = await submitAndFinish(gateway(), tokens.bob);
    owned.admin = await submitAndFinish(gateway());
  });

  async function answerTo(request: [path: string, init: RequestInit], token: string | undefined, ids: Owned) {
    const [path, init] = request;
    const answer = await gateway().fetch(path, { ...init, ...(token === undefined ? {} : { token }) });
    const headers = Object.fromEntries([...answer.headers].filter(([name]) => name !== "date"));
    // The id and the trace id are all that may tell two refusals apart.
    const body = (await answer.text())
      .replace(/"trace_id":"[0-9a-f]{32}"/, '"trace_id":""')
      .replaceAll(ids.id, "ID");
    return { status: answer.status, headers, body };
  }

  for (const [what, status, request] of operations) {
    for (const who of ["alice", "bob"] as const) {
      const other = who === "alice" ? "bob" : "alice";

      it(`gives ${who} ${what} of a workflow of ${who}`, async () => {
        assert.equal((await answerTo(request(owned[who]!), tokens[who], owned[who]!)).status, status);
      });

      for (const owner of [other, "admin"] as const) {
        it(`answers ${who}'s ${what} of a workflow of ${owner} as of one that does not exist`, async () => {
          const theirs = await answerTo(request(owned[owner]!), tokens[who], owned[owner]!);
          const none = await answerTo(request(missing), tokens[who], missing);
          assert.equal(none.status, 404);
          assert.deepEqual(theirs, none);
        });
      }
    }

    it(`gives the admin ${what} of everybody's workflows, and 404 for none`, async () => {
      for (const workflow of Object.values(owned)) {
        assert.equal((await answerTo(request(workflow), undefined, workflow)).status, status);
      }
      assert.equal((await answerTo(request(missing), undefined, missing)).status, 404);
    });
  }

  it("lists each tenant's own workflows, and everybody's for the admin", async () => {
    async function list(token?: string) {
      const answer = await gateway().fetch("/v1/workflows", token === undefined ? {} : { token });
      const { workflows } = (await answer.json()) as { workflows: { id: string }[] };
      return workflows.map(({ id }) => id);
    }
    assert.deepEqual(await list(tokens.alice), [owned.alice!.id]);
    assert.deepEqual(await list(tokens.bob), [owned.bob!.id]);
    assert.deepEqual(await list(), [owned.admin!.id, owned.bob!.id, owned.alice!.id]);
  });

  it("keeps the tenants' idempotency keys and page tokens apart", async () => {
    const submit = async (token: string) => {
      const answer = await gateway().fetch("/v1/workflows", {
        ...jsonPost(threeSteps, { "Idempotency-Key": "same" }),
        token,
      });
      return ((await answer.json()) as { id: string }).id;
    };
    const [first, again, others] = [
      await submit(tokens.alice),
      await submit(tokens.alice),
      await submit(tokens.bob),
    ];
    assert.equal(first, again);
    assert.notEqual(first, others);
    const page = await gateway().fetch("/v1/workflows?page_size=1", { token: tokens.alice });
    const { next_page_token } = (await page.json()) as { next_page_token: string };
    const stolen = await gateway().fetch(`/v1/workflows?page_token=${encodeURIComponent(next_page_token)}`, {
      token: tokens.bob,
    });
    const { workflows = [] } = (await stolen.json()) as { workflows?: { id: string }[] };
    assert.ok(!workflows.some(({ id }) => id === first || id === owned.alice!.id));
  });
});
