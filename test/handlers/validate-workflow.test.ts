import assert from "node:assert/strict";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import type { Schema } from "../../src/contract.ts";
import { startSandbox } from "../../src/sandbox/start-sandbox.ts";
import { startTestGateway, suite } from "../support/gateway.ts";
import { jsonPost, oneStep, threeSteps, workflowIn } from "../support/samples.ts";
import { sandboxSettings, settingsFor } from "../support/sandbox.ts";
import { callsDuring, startStack } from "../support/stack.ts";

const path = "/v1/workflows/validate";

const chain = Array.from({ length: 256 }, (_, index) => ({
  id: `s${index}`,
  tool: "af2",
  depends_on: index === 0 ? [] : [`s${index - 1}`],
}));

describe("POST /v1/workflows/validate", () => {
  const stack = suite(() =>
    startStack(
      {
        authenticateApiKey: () => ({ allowed: true, principal: "alice" }),
        consumeQuota: () => ({ allowed: true, limit: 5n, used: 1n }),
        submitWorkflow: () => workflowIn(JobState.QUEUED),
      },
      { API_KEYS_ENABLED: "true" },
    ),
  );

  /** The response to a submission by a key, and the calls that it has made. */
  async function ask(target: string, init: RequestInit, token = "a-key") {
    let response: Response | undefined;
    const calls = await callsDuring(stack().upstream, async () => {
      response = await stack().gateway.fetch(target, { ...init, token });
    });
    return {
      response: response!,
      rpcs: calls.map(({ rpc }) => rpc).filter((rpc) => rpc !== "AuthenticateApiKey"),
    };
  }

  it("returns the plan without quota headers, Location or a call", async () => {
    const { response, rpcs } = await ask(path, jsonPost(threeSteps, { "Idempotency-Key": "k" }));
    assert.equal(response.status, 200);
    assert.deepEqual(await response.json(), {
      name: "design-then-fold",
      steps: [
        { id: "design", tool: "rfdiffusion", depends_on: [], level: 0 },
        { id: "seqs", tool: "proteinmpnn", depends_on: ["design"], level: 1 },
        { id: "fold", tool: "af2", depends_on: ["seqs"], level: 2 },
      ],
      order: ["design", "seqs", "fold"],
      levels: [["design"], ["seqs"], ["fold"]],
    });
    for (const name of ["location", "x-ratelimit-limit", "x-ratelimit-remaining"])
      assert.equal(response.headers.get(name), null, name);
    assert.deepEqual(rpcs, []);
  });

  it("makes no call except the key lookup, and logs no submission", async () => {
    const before = stack().gateway.logs.length;
    const calls = await callsDuring(stack().upstream, () =>
      stack().gateway.fetch(path, { ...jsonPost(oneStep), token: "a-key-never-used" }),
    );
    assert.deepEqual(
      calls.map(({ rpc }) => rpc),
      ["AuthenticateApiKey"],
    );
    assert.ok(
      !stack()
        .gateway.logs.slice(before)
        .some(({ event }) => event === "workflow.submit"),
    );
  });

  it("returns a plan to the admin, too", async () => {
    const calls = await callsDuring(stack().upstream, async () => {
      const response = await stack().gateway.fetch(path, jsonPost(oneStep));
      assert.deepEqual(((await response.json()) as Schema["WorkflowPlan"]).levels, [["a"]]);
    });
    assert.deepEqual(calls, []);
  });

  for (const [what, steps, levels] of [
    ["256 steps that wait for each other", chain, chain.map(({ id }) => [id])],
    ["256 steps side by side", chain.map(({ id, tool }) => ({ id, tool })), [chain.map(({ id }) => id)]],
    [
      "ids that objects have by themselves",
      [
        { id: "constructor", tool: "af2", depends_on: ["__proto__", "toString"] },
        { id: "__proto__", tool: "boltz" },
        { id: "toString", tool: "af2", depends_on: ["__proto__"] },
      ],
      [["__proto__"], ["toString"], ["constructor"]],
    ],
  ] as const)
    it(`returns a plan for ${what}`, async () => {
      const { response } = await ask(path, jsonPost({ name: "n", steps }));
      assert.equal(response.status, 200);
      const plan = (await response.json()) as Schema["WorkflowPlan"];
      assert.deepEqual(plan.levels, levels);
      assert.deepEqual(plan.order, levels.flat());
      assert.deepEqual(
        plan.steps.map(({ id }) => id),
        steps.map(({ id }) => id),
      );
    });

  for (const [what, init] of [
    ["nothing of a workflow", jsonPost({})],
    [
      "a dependency on nobody, and one twice",
      jsonPost({ ...oneStep, steps: [{ id: "a", tool: "af2", depends_on: ["b", "b"] }] }),
    ],
    ["a cycle", jsonPost({ ...oneStep, steps: [{ id: "a", tool: "af2", depends_on: ["a"] }] })],
    [
      "an id that is taken, and an unknown tool",
      jsonPost({
        name: "n",
        steps: [
          { id: "a", tool: "x" },
          { id: "a", tool: "af2" },
        ],
      }),
    ],
    ["257 steps", jsonPost({ name: "n", steps: [...chain, { id: "more", tool: "af2" }] })],
    ["text that is no Unicode", jsonPost({ ...oneStep, labels: { a: "\ud800" } })],
    ["no JSON", { ...jsonPost(null), body: "{" }],
    ["another type", jsonPost(oneStep, { "Content-Type": "text/plain" })],
  ] as const)
    it(`rejects ${what} as a submission, with all violations`, async () => {
      const told = async (target: string) => {
        const { response, rpcs } = await ask(target, init);
        assert.deepEqual(rpcs, []);
        const { trace_id, ...body } = (await response.json()) as Schema["Error"];
        assert.ok(trace_id);
        return { status: response.status, ...body };
      };
      const rejection = await told(path);
      assert.ok(rejection.status === 400 || rejection.status === 415);
      assert.deepEqual(rejection, await told("/v1/workflows"));
    });

  const misspelled = { name: "n", steps: [{ id: "a", tool: "rfdiffusion", params: { num_design: 3 } }] };
  const warnings = [
    {
      path: "/body/steps/0/params/num_design",
      message:
        "is not a parameter of rfdiffusion that this contract knows, and is passed on unchanged; did you mean num_designs?",
    },
  ];

  for (const [target, status] of [
    [path, 200],
    ["/v1/workflows", 201],
  ] as const)
    it(`returns warnings about misspelled parameters from ${target}`, async () => {
      const { response } = await ask(target, jsonPost(misspelled));
      assert.equal(response.status, status);
      const body = (await response.json()) as Schema["Workflow"];
      assert.deepEqual([body.name.length > 0, body.warnings], [true, warnings]);
      const { response: right } = await ask(target, jsonPost(oneStep));
      assert.equal("warnings" in ((await right.json()) as object), false);
    });

  it("returns warnings about a large submission, too", async () => {
    const large = structuredClone(misspelled);
    Object.assign(large.steps[0]!.params, { text: "\u2028ü".repeat(100_000) });
    const { response } = await ask("/v1/workflows", jsonPost(large));
    assert.deepEqual(((await response.json()) as Schema["Workflow"]).warnings, warnings);
  });

  it("requires authentication", async () => {
    assert.equal((await stack().gateway.fetch(path, { ...jsonPost(oneStep), token: null })).status, 401);
  });

  it("is the only method of its path", async () => {
    const response = await stack().gateway.fetch(path);
    assert.deepEqual([response.status, response.headers.get("allow")], [405, "POST"]);
  });

  describe("POST /v1/workflows?validate_only", () => {
    it("returns the plan if it is true", async () => {
      const { response, rpcs } = await ask("/v1/workflows?validate_only=true", jsonPost(oneStep));
      assert.equal(response.status, 200);
      assert.deepEqual(((await response.json()) as Schema["WorkflowPlan"]).levels, [["a"]]);
      assert.deepEqual(rpcs, []);
    });

    it("submits if it is false", async () => {
      const { response, rpcs } = await ask("/v1/workflows?validate_only=false", jsonPost(oneStep));
      assert.equal(response.status, 201);
      assert.deepEqual(rpcs, ["ConsumeQuota", "SubmitWorkflow"]);
    });

    for (const query of [
      "validate_only=1",
      "validate_only=TRUE",
      "validate_only=%20true",
      "validate_only=",
      "validate_only",
      "validate_only=true&validate_only=true",
      "validate_only=false&validate_only=true",
      "validate_only=true&bogus=1",
    ])
      it(`rejects ${query}, and submits nothing`, async () => {
        const { response, rpcs } = await ask(`/v1/workflows?${query}`, jsonPost(oneStep));
        assert.equal(response.status, 400);
        assert.deepEqual(rpcs, []);
      });

    it("is a parameter of submissions only", async () => {
      assert.equal((await stack().gateway.fetch("/v1/workflows?validate_only=true")).status, 400);
    });
  });
});

describe("a plan for a key with a small quota", () => {
  const sandbox = suite(() => startSandbox(sandboxSettings));
  const gateway = suite(() => startTestGateway(settingsFor(sandbox())));
  const post = (target: string) => gateway().fetch(target, { ...jsonPost(oneStep), token: "carol-key" });

  it("consumes no quota, needs none, and submits no workflow", async () => {
    const statuses: number[] = [];
    for (const target of [path, path, path, "/v1/workflows", path, "/v1/workflows", "/v1/workflows", path])
      statuses.push((await post(target)).status);
    assert.deepEqual(statuses, [200, 200, 200, 201, 200, 201, 429, 200]);
    const list = await gateway().fetch("/v1/workflows", { token: "carol-key" });
    assert.equal(((await list.json()) as Schema["WorkflowList"]).workflows.length, 2);
    assert.equal(sandbox().calls.get("ConsumeQuota"), 3);
    assert.equal(sandbox().calls.get("SubmitWorkflow"), 2);
  });
});
