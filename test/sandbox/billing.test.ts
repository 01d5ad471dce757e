import assert from "node:assert/strict";
import { Code, ConnectError } from "@connectrpc/connect";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import { as, readUntil, useSandbox, type StepInit, type TestSandbox } from "./support.ts";

/** The entries of a ledger, newest first. */
async function ledgerOf({ orchestrator }: TestSandbox, principal: string, limit = 0) {
  const { entries } = await orchestrator.listLedger({ principal, limit });
  return entries.map(({ delta, reason, balanceAfter }) => [delta, reason, balanceAfter]);
}

const threeSteps: StepInit[] = [
  { id: "first" },
  { id: "second", dependsOn: ["first"], params: { sandbox_fail: 2 } },
  { id: "third", dependsOn: ["second"] },
];

/** Asserts that a call fails for lack of credits, by its code, its message and its detail. */
async function assertInsufficientCredits(call: Promise<unknown>, price: number, balance: number) {
  const error = await call.then(
    () => assert.fail("there were enough credits"),
    (reason: unknown) => ConnectError.from(reason),
  );
  assert.equal(error.code, Code.ResourceExhausted);
  assert.equal(error.rawMessage, `not enough credits: the price is ${price}, and the balance is ${balance}`);
  // Two length-delimited fields: their tags and lengths, and their text.
  const value = new TextEncoder().encode("\x0a\x14INSUFFICIENT_CREDITS\x12\x09foldforge");
  assert.deepEqual(error.details, [{ type: "google.rpc.ErrorInfo", value }]);
}

describe("the price of a workflow", () => {
  const test = useSandbox({ openingCredits: 45n });
  const slow = useSandbox({ stepSeconds: 600 });
  const free = useSandbox({ openingCredits: 0n, pricePerStep: 0n });

  it("is debited at submission, refunded for steps that a failure kept from running, and debited by a retry", async () => {
    const { id, state } = await test.run(threeSteps, as("alice"));
    assert.equal(state, JobState.FAILED);
    const debit = [-30n, `debit:wf:${id}`, 15n];
    const entries = [[10n, `refund:wf:${id}`, 25n], debit, [45n, "grant:admin", 45n]];
    assert.deepEqual(await ledgerOf(test, "alice"), entries);
    assert.deepEqual(await ledgerOf(test, "alice", 2), entries.slice(0, 2));

    const retry = async () => {
      await test.orchestrator.retryWorkflow({ workflowId: id }, as("alice"));
      return (await test.finish(id)).state;
    };
    assert.equal(await retry(), JobState.FAILED);
    entries.unshift([10n, `refund:wf:${id}`, 25n], [-10n, `debit:wf:${id}`, 15n]);
    assert.deepEqual(await ledgerOf(test, "alice"), entries);
    assert.equal(await retry(), JobState.SUCCEEDED);
    entries.unshift([-10n, `debit:wf:${id}`, 15n]);
    assert.deepEqual(await ledgerOf(test, "alice"), entries);
    assert.equal((await test.orchestrator.getBalance({ principal: "alice" })).balance, 15n);
  });

  it("must be covered by the balance, or nothing is created or debited", async () => {
    const idempotencyKey = "k";
    const submit = (steps: StepInit[]) => test.submit(steps, { ...as("bob"), idempotencyKey });
    const fiveSteps = Array.from("abcde", (id) => ({ id }));
    await assertInsufficientCredits(submit(fiveSteps), 50, 45);
    await assertInsufficientCredits(submit(fiveSteps), 50, 45);
    assert.deepEqual((await test.orchestrator.listWorkflows({}, as("bob"))).workflows, []);
    assert.deepEqual(await ledgerOf(test, "bob"), [[45n, "grant:admin", 45n]]);

    await test.orchestrator.grantCredits({ principal: "bob", amount: 5n, reason: "topup:stripe:s" });
    const { id } = await submit(fiveSteps);
    assert.equal((await submit(fiveSteps)).id, id);
    assert.deepEqual((await ledgerOf(test, "bob")).slice(0, 2), [
      [-50n, `debit:wf:${id}`, 0n],
      [5n, "topup:stripe:s", 50n],
    ]);
  });

  it("must be covered by the balance of a retry, too, or the workflow stays as it is", async () => {
    const grant = (amount: bigint) => test.orchestrator.grantCredits({ principal: "carol", amount });
    await grant(30n);
    const failed = await test.run(threeSteps, as("carol"));
    await test.submit([{ id: "other" }], as("carol"));
    const before = await ledgerOf(test, "carol");
    const { id: workflowId } = failed;
    await assertInsufficientCredits(test.orchestrator.retryWorkflow({ workflowId }, as("carol")), 10, 0);
    // An administrator's retry is at the tenant's cost.
    await assertInsufficientCredits(test.orchestrator.retryWorkflow({ workflowId }), 10, 0);
    assert.deepEqual(await test.orchestrator.getWorkflow({ workflowId }), failed);
    assert.deepEqual(await ledgerOf(test, "carol"), before);
    await grant(10n);
    assert.equal((await test.orchestrator.retryWorkflow({ workflowId })).state, JobState.QUEUED);
  });

  it("is refunded for steps that a cancellation kept from running, once", async () => {
    const { id: workflowId } = await slow.submit(threeSteps, as("alice"));
    const events = slow.orchestrator.streamWorkflowEvents({ workflowId, fromEventId: 1n });
    await readUntil(events, ({ event }) => event.case === "stepUpdate");
    for (let i = 0; i < 2; i++) await slow.orchestrator.cancelWorkflow({ workflowId }, as("alice"));
    assert.deepEqual((await ledgerOf(slow, "alice")).slice(0, -1), [
      [20n, `refund:wf:${workflowId}`, 99_990n],
      [-30n, `debit:wf:${workflowId}`, 99_970n],
    ]);
  });

  it("is nothing for the administrator, and for everybody where steps are free", async () => {
    const { id: workflowId } = await test.run(threeSteps);
    await test.orchestrator.retryWorkflow({ workflowId });
    assert.equal((await test.finish(workflowId)).state, JobState.FAILED);
    const { id, state } = await free.run(threeSteps, as("alice"));
    assert.equal(state, JobState.FAILED);
    await free.orchestrator.retryWorkflow({ workflowId: id }, as("alice"));
    assert.deepEqual(await ledgerOf(free, "alice"), []);
  });
});

describe("GetBalance, ListLedger and GrantCredits", () => {
  const test = useSandbox();
  const ledger = (principal: string) => ledgerOf(test, principal);

  it("opens a ledger for each principal with a key, and has nothing for others", async () => {
    assert.deepEqual(await ledger("alice"), [[100_000n, "grant:admin", 100_000n]]);
    assert.equal((await test.orchestrator.getBalance({ principal: "nobody" })).balance, 0n);
    assert.deepEqual(await ledger("nobody"), []);
  });

  it("grants once for a principal's idempotency key, and each time without one", async () => {
    const grant = async (principal: string, idempotencyKey: string) =>
      (await test.orchestrator.grantCredits({ principal, amount: 10n, reason: "gift", idempotencyKey }))
        .balance;
    assert.equal(await grant("carol", "k"), 10n);
    assert.equal(await grant("carol", "k"), 10n);
    assert.equal(await grant("dave", "k"), 10n);
    assert.equal(await grant("carol", ""), 20n);
    assert.equal(await grant("carol", ""), 30n);
    assert.equal((await ledger("carol")).length, 3);
  });

  it("rejects amounts that are no grant or that no balance can hold, and a negative limit", async () => {
    for (const amount of [0n, -1n, 2n ** 63n - 1n]) {
      const request = { principal: "bob", amount, reason: "", idempotencyKey: "" };
      await assert.rejects(test.orchestrator.grantCredits(request), { code: Code.InvalidArgument });
    }
    await assert.rejects(test.orchestrator.listLedger({ principal: "bob", limit: -1 }), {
      code: Code.InvalidArgument,
    });
    await assert.rejects(test.orchestrator.getBalance({}), { code: Code.InvalidArgument });
  });

  it("rejects access to the credits of another principal", async () => {
    assert.equal((await test.orchestrator.getBalance({ principal: "bob" }, as("bob"))).balance, 100_000n);
    const foreign = { principal: "alice", amount: 1n };
    for (const call of [
      test.orchestrator.getBalance(foreign, as("bob")),
      test.orchestrator.listLedger(foreign, as("bob")),
      test.orchestrator.grantCredits(foreign, as("bob")),
    ])
      await assert.rejects(call, { code: Code.PermissionDenied });
  });
});
