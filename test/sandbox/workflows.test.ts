import assert from "node:assert/strict";
import { Code } from "@connectrpc/connect";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import { as, readAll, useSandbox, type StepInit } from "./support.ts";

describe("SubmitWorkflow", () => {
  const test = useSandbox();

  it("returns the queued workflow with one queued status per step", async () => {
    const workflow = await test.submit([{ id: "a" }, { id: "b", dependsOn: ["a"] }], {
      labels: { team: "x" },
    });
    assert.equal(workflow.state, JobState.QUEUED);
    assert.deepEqual(
      workflow.stepStatuses.map(({ stepId, state, fraction }) => [stepId, state, fraction]),
      [
        ["a", JobState.QUEUED, 0],
        ["b", JobState.QUEUED, 0],
      ],
    );
    assert.deepEqual({ ...workflow.spec?.labels }, { team: "x" });
    assert.ok(workflow.createdAt);
  });

  const invalid: [what: string, steps: StepInit[], message: string | RegExp][] = [
    ["no steps", [], "steps: there must be at least one"],
    ["an id used twice", [{ id: "a" }, { id: "a" }], 'steps[1].id: "a" is not unique'],
    ["an empty id", [{ id: "" }], "steps[0].id: must not be empty"],
    ["a dangling dependency", [{ id: "a", dependsOn: ["b"] }], 'steps[0].depends_on: there is no step "b"'],
    ["a step that needs itself", [{ id: "a", dependsOn: ["a"] }], "steps: a needs a is a cycle"],
    [
      "a cycle after valid steps",
      [
        { id: "z" },
        { id: "end", dependsOn: ["c"] },
        { id: "a", dependsOn: ["z", "c"] },
        { id: "b", dependsOn: ["a"] },
        { id: "c", dependsOn: ["b"] },
      ],
      "steps: c needs b needs a needs c is a cycle",
    ],
    [
      "an unknown tool",
      [{ id: "a", tool: "constructor" }],
      /^steps\[0\].tool: "constructor" is not one of rfdiffusion, /,
    ],
    [
      "wrong params",
      [{ id: "a", tool: "rfdiffusion", params: { num_designs: 0, contigs: "10-5/B3" } }],
      /^steps\[0\].params.num_designs: .*; steps\[0\].params.contigs: "10-5" runs backwards$|^steps\[0\].params.contigs: "10-5" runs backwards; steps\[0\].params.num_designs: /,
    ],
    [
      "contigs of no length",
      [{ id: "a", tool: "rfdiffusion", params: { contigs: "" } }],
      /1 to 1000 residues/,
    ],
    [
      "contigs that are too long",
      [{ id: "a", tool: "rfdiffusion", params: { contigs: "900/101" } }],
      /1 to 1000/,
    ],
    [
      "contigs that are none",
      [{ id: "a", tool: "rfdiffusion", params: { contigs: "ten" } }],
      /"ten" is not a contig/,
    ],
    ["a sequence that is none", [{ id: "a", params: { sequence: "MKBZ" } }], /params.sequence: must consist/],
    [
      "a fraction of a sequence",
      [{ id: "a", tool: "proteinmpnn", params: { num_sequences: 1.5 } }],
      /num_sequences/,
    ],
    ["a negative failure count", [{ id: "a", params: { sandbox_fail: -1 } }], /params.sandbox_fail/],
    [
      "several violations, all listed",
      [
        { id: "a", tool: "x" },
        { id: "a", dependsOn: ["q"] },
      ],
      /^steps\[1\].id.*; steps\[0\].tool.*; steps\[1\].depends_on/,
    ],
  ];
  for (const [what, steps, message] of invalid)
    it(`rejects ${what}`, async () => {
      await assert.rejects(test.submit(steps), { code: Code.InvalidArgument, rawMessage: message });
    });

  it("rejects a spec without a name, and no spec", async () => {
    const spec = { name: "", steps: [{ id: "a", tool: "af2" }] };
    const submissions = [test.orchestrator.submitWorkflow({ spec }), test.orchestrator.submitWorkflow({})];
    for (const submission of submissions) await assert.rejects(submission, { code: Code.InvalidArgument });
  });

  it("gives one workflow for one idempotency key of a principal, however often and at once", async () => {
    const spec = {
      name: "n",
      steps: [{ id: "a", tool: "af2", params: { x: [1, { y: null }] } }],
      labels: { b: "2" },
    };
    const submit = (principal: string, name = "n") =>
      test.orchestrator.submitWorkflow({ spec: { ...spec, name }, idempotencyKey: "k" }, as(principal));
    const ids = (await Promise.all(Array.from({ length: 10 }, () => submit("alice")))).map(({ id }) => id);
    assert.equal(new Set(ids).size, 1);
    assert.notEqual((await submit("bob")).id, ids[0]);
    await assert.rejects(submit("alice", "other"), { code: Code.AlreadyExists });
    const unscoped = await test.orchestrator.submitWorkflow({ spec, idempotencyKey: "k" });
    assert.ok(!ids.includes(unscoped.id));
    const replayed = await test.orchestrator.submitWorkflow({ spec, idempotencyKey: "k" });
    assert.equal(replayed.id, unscoped.id);
    const { id: workflowId } = await test.finish(replayed.id);
    await test.orchestrator.submitWorkflow({ spec, idempotencyKey: "k" });
    const log = await readAll(test.orchestrator.streamWorkflowEvents({ workflowId, fromEventId: 1n }));
    // The events of a single run: nothing of a replay is one.
    assert.equal(log.at(-1)?.eventId, 8n);
  });

  it("does not take an empty idempotency key for one", async () => {
    assert.notEqual((await test.submit([{ id: "a" }])).id, (await test.submit([{ id: "a" }])).id);
  });
});

describe("tenant scope", () => {
  const test = useSandbox({ stepSeconds: 60 });

  it("returns the same error for another principal's workflow as for a missing one", async () => {
    const { id } = await test.submit([{ id: "a" }], as("alice"));
    const calls = (workflowId: string) => [
      test.orchestrator.getWorkflow({ workflowId }, as("bob")),
      test.orchestrator.cancelWorkflow({ workflowId }, as("bob")),
      test.orchestrator.retryWorkflow({ workflowId }, as("bob")),
      readAll(test.orchestrator.streamWorkflowEvents({ workflowId }, as("bob"))),
    ];
    for (const workflowId of [id, "none"])
      for (const call of calls(workflowId))
        await assert.rejects(call, { code: Code.NotFound, rawMessage: `workflow ${workflowId} not found` });
    assert.equal((await test.orchestrator.getWorkflow({ workflowId: id }, as("alice"))).id, id);
    assert.equal((await test.orchestrator.getWorkflow({ workflowId: id })).state, JobState.RUNNING);
  });

  it("gives an empty principal access to no workflow", async () => {
    const { id } = await test.submit([{ id: "a" }]);
    await assert.rejects(test.orchestrator.getWorkflow({ workflowId: id }, as("")), { code: Code.NotFound });
  });
});

describe("ListWorkflows", () => {
  const test = useSandbox({ pricePerStep: 0n });

  it("pages newest first without loss or repetition while workflows are added", async () => {
    const own = as("alice");
    const ids: string[] = [];
    const add = async () => ids.unshift((await test.submit([{ id: "a" }], own)).id);
    for (let i = 0; i < 7; i++) await add();
    await test.submit([{ id: "a" }], as("bob"));
    const expected = [...ids];

    const seen: string[] = [];
    let pageToken = "";
    do {
      const page = await test.orchestrator.listWorkflows({ pageSize: 3, pageToken }, own);
      seen.push(...page.workflows.map(({ id }) => id));
      pageToken = page.nextPageToken;
      await add();
    } while (pageToken !== "");
    assert.deepEqual(seen, expected);
  });

  it("ends with an empty token on a full last page", async () => {
    for (let i = 0; i < 4; i++) await test.submit([{ id: "a" }], as("carol"));
    const first = await test.orchestrator.listWorkflows({ pageSize: 2 }, as("carol"));
    const { nextPageToken: pageToken } = first;
    const last = await test.orchestrator.listWorkflows({ pageSize: 2, pageToken }, as("carol"));
    assert.deepEqual([first.workflows.length, last.workflows.length, last.nextPageToken], [2, 2, ""]);
  });

  it("selects by all labels and by state", async () => {
    const options = as("dave");
    await test.submit([{ id: "a" }], { ...options, labels: { team: "x", run: "1" } });
    const failed = await test.submit([{ id: "a", params: { sandbox_fail: 1 } }], {
      ...options,
      labels: { team: "x" },
    });
    await test.finish(failed.id);
    const count = async (request: { labelSelector?: Record<string, string>; stateFilter?: JobState }) =>
      (await test.orchestrator.listWorkflows(request, options)).workflows.length;
    assert.equal(await count({ labelSelector: { team: "x" } }), 2);
    assert.equal(await count({ labelSelector: { team: "x", run: "1" } }), 1);
    assert.equal(await count({ labelSelector: { team: "y" } }), 0);
    assert.equal(await count({ labelSelector: { constructor: "" } }), 0);
    assert.equal(await count({ stateFilter: JobState.FAILED }), 1);
    assert.equal(await count({ stateFilter: JobState.FAILED, labelSelector: { run: "1" } }), 0);
    assert.equal(await count({ stateFilter: JobState.UNSPECIFIED }), 2);
  });

  it("rejects tokens that it did not issue", async () => {
    const { nextPageToken } = await test.orchestrator.listWorkflows({ pageSize: 1 });
    assert.notEqual(nextPageToken, "");
    const flipped = (nextPageToken.startsWith("A") ? "B" : "A") + nextPageToken.slice(1);
    for (const pageToken of ["1", "x".repeat(60), flipped, `${nextPageToken}=`, nextPageToken.slice(0, -4)])
      await assert.rejects(test.orchestrator.listWorkflows({ pageToken }), {
        code: Code.InvalidArgument,
        rawMessage: "page_token is not a token of this service",
      });
  });
});
