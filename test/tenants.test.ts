import assert from "node:assert/strict";
import { loadContract } from "../src/contract.ts";
import type { Operation, OperationId } from "../src/contract.ts";
import { startSandbox } from "../src/sandbox/start-sandbox.ts";
import { adminToken, startTestGateway, suite } from "./support/gateway.ts";
import type { TestGateway } from "./support/gateway.ts";
import { finishedRun } from "./support/finished-run.ts";
import { jsonPost, threeSteps } from "./support/samples.ts";
import { sandboxSettings, settingsFor } from "./support/sandbox.ts";

/** A finished workflow of one of the callers. */
interface Owned {
  readonly id: string;
  readonly key: string;
}

type Who = "alice" | "bob" | "admin";
const callers: readonly Who[] = ["alice", "bob", "admin"];
const tokens: Record<Who, string> = { alice: "alice-key", bob: "bob-key", admin: adminToken };

/** A request for an operation, and its status for a terminal workflow. */
interface Variant {
  readonly status: number;
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly body?: string;
}

/** The requests for each operation on one workflow. */
const variants: Partial<Record<OperationId, readonly Variant[]>> = {
  getWorkflow: [{ status: 200 }, { status: 200, method: "HEAD" }],
  cancelWorkflow: [{ status: 200 }],
  retryWorkflow: [{ status: 400 }],
  rankDesigns: [{ status: 200, ...jsonPost({ metric: "plddt" }) }],
  streamWorkflowEvents: [{ status: 200 }, { status: 200, headers: { "Last-Event-ID": "1" } }],
  listArtifacts: [
    { status: 200 },
    { status: 200, method: "HEAD" },
    { status: 304, headers: { "If-None-Match": "*" } },
  ],
  downloadArtifact: [
    { status: 200 },
    { status: 200, method: "HEAD" },
    { status: 206, headers: { Range: "bytes=0-3" } },
    { status: 304, headers: { "If-None-Match": "*" } },
  ],
};

/** The operations that know of no caller. */
const documentation: readonly OperationId[] = ["getOpenapiYaml", "getOpenapiJson", "getDocs", "getDocsFile"];

/** The operations on no workflow in particular; each has a test of its own. */
const others: readonly OperationId[] = [
  "submitWorkflow",
  "validateWorkflow",
  "listWorkflows",
  "getBalance",
  "listLedger",
  "createCheckout",
  "stripeWebhook",
  "healthz",
  "readyz",
  "metrics",
  ...documentation,
];

const { paths } = loadContract();
const operations = paths.flatMap((path) => path.operations);

async function submitAndFinish(gateway: TestGateway, who: Who): Promise<Owned> {
  const token = tokens[who];
  const id = await finishedRun(gateway, threeSteps, token);
  const workflow = await gateway.fetch(`/v1/workflows/${id}`, { token });
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
  let owned: Record<Who, Owned> = { alice: missing, bob: missing, admin: missing };
  before("one finished workflow each", async () => {
    const finish = (who: Who) => submitAndFinish(gateway(), who);
    owned = { alice: await finish("alice"), bob: await finish("bob"), admin: await finish("admin") };
    assert.equal(new Set(Object.values(owned).map(({ key }) => key)).size, callers.length);
  });

  async function fetchAs(operation: Operation, variant: Variant, who: Who, { id, key }: Owned) {
    const response = await gateway().fetch(operation.template.replace("{id}", id).replace("{key}", key), {
      method: variant.method ?? operation.method.toUpperCase(),
      headers: variant.headers ?? {},
      body: variant.body ?? null,
      token: tokens[who],
    });
    const changing = ["date", "x-request-id"];
    const headers = Object.fromEntries([...response.headers].filter(([name]) => !changing.includes(name)));
    // Two 404 responses may differ only in the requested id and the trace id.
    const body = (await response.text())
      .replace(/"trace_id":"[0-9a-f]{32}"/, '"trace_id":""')
      .replaceAll(id, "ID");
    return { status: response.status, headers, body };
  }

  it("are checked in every operation of the contract", () => {
    const ids = operations.map(({ id }) => id);
    assert.deepEqual(ids.toSorted(), [...Object.keys(variants), ...others].toSorted());
    for (const { id, template } of operations) assert.equal(template.includes("{id}"), id in variants, id);
  });

  for (const operation of operations)
    for (const variant of variants[operation.id] ?? []) {
      const what = [variant.method, operation.id, JSON.stringify(variant.headers)].filter(Boolean).join(" ");

      for (const who of callers) {
        const mayHave = (owner: Who) => who === "admin" || owner === who;

        it(`gives ${who} ${what} of ${who === "admin" ? "every" : "no other"} workflow`, async () => {
          const none = await fetchAs(operation, variant, who, missing);
          assert.equal(none.status, 404);
          assert.deepEqual(none, await fetchAs(operation, variant, "admin", missing));
          for (const owner of callers) {
            const response = await fetchAs(operation, variant, who, owned[owner]);
            if (mayHave(owner)) assert.equal(response.status, variant.status, owner);
            else assert.deepEqual(response, none, owner);
          }
        });

        if (!operation.template.includes("{key}")) continue;
        it(`gives ${who} ${what} of no key but the workflow's own`, async () => {
          const none = await fetchAs(operation, variant, who, missing);
          for (const { id } of [...Object.values(owned), missing]) {
            for (const { id: from, key } of [...Object.values(owned), missing]) {
              if (id === from) continue;
              assert.deepEqual(await fetchAs(operation, variant, who, { id, key }), none);
            }
          }
        });
      }
    }

  it("list their own workflows, whatever they ask for, and the admin everybody's", async () => {
    for (const query of ["", "?page_size=100", "?state=SUCCEEDED", "?label=team=alpha"]) {
      const list = async (who: Who) => {
        const response = await gateway().fetch(`/v1/workflows${query}`, { token: tokens[who] });
        const { workflows } = (await response.json()) as { workflows: { id: string }[] };
        return workflows.map(({ id }) => id);
      };
      assert.deepEqual(await list("alice"), [owned.alice.id]);
      assert.deepEqual(await list("bob"), [owned.bob.id]);
      assert.deepEqual(await list("admin"), [owned.admin.id, owned.bob.id, owned.alice.id]);
    }
  });

  it("read their own credits only, and the admin those of anybody", async () => {
    const headers = { "ff-principal": "bob", "X-Principal": "bob" };
    const read = (path: string, who: Who) => gateway().fetch(path, { token: tokens[who], headers });
    for (const who of ["alice", "bob"] as const) {
      const ledger = await (await read("/v1/billing/ledger", who)).text();
      const workflows = new Set(ledger.match(/[0-9a-f]{8}-[0-9a-f-]{27}/g));
      assert.deepEqual(workflows, new Set([owned[who].id]));
      const { entries } = JSON.parse(ledger) as { entries: { balance_after: number }[] };
      const balance = (await (await read("/v1/billing/balance", who)).json()) as { balance: number };
      assert.equal(balance.balance, entries[0]?.balance_after);
    }
    for (const path of ["/v1/billing/balance", "/v1/billing/ledger"]) {
      assert.equal((await read(path, "admin")).status, 403);
      assert.equal((await read(`${path}?principal=bob`, "alice")).status, 403);
      const own = await (await read(path, "bob")).text();
      assert.equal(await (await read(`${path}?principal=bob`, "admin")).text(), own);
    }
  });

  it("cannot submit in another's name", async () => {
    const names = { principal: "bob", ff_principal: "bob", "ff-principal": "bob" };
    const response = await gateway().fetch("/v1/workflows", {
      ...jsonPost({ ...threeSteps, ...names }),
      token: tokens.alice,
    });
    assert.equal(response.status, 400);
    const { details } = (await response.json()) as { details: { path: string }[] };
    assert.deepEqual(
      details.map(({ path }) => path),
      Object.keys(names).map((name) => `/body/${name}`),
    );
  });

  for (const path of ["/v1/healthz", "/v1/readyz", "/metrics"])
    it(`learn nothing of each other from ${path}`, async () => {
      for (const token of [...Object.values(tokens), null]) {
        const response = await gateway().fetch(path, { token });
        assert.equal(response.status, 200);
        const body = await response.text();
        for (const secret of [...Object.values(owned).flatMap(Object.values), ...callers])
          assert.ok(!body.includes(String(secret)), String(secret));
      }
    });

  it("have idempotency keys and page tokens of their own", async () => {
    const submit = async (token: string) => {
      const response = await gateway().fetch("/v1/workflows", {
        ...jsonPost(threeSteps, { "Idempotency-Key": "same" }),
        token,
      });
      return ((await response.json()) as { id: string }).id;
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
    assert.ok(!workflows.some(({ id }) => id === first || id === owned.alice.id));
  });
});
