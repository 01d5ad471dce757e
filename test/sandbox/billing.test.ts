import assert from "node:assert/strict";
import { Code } from "@connectrpc/connect";
import { as, useSandbox } from "./support.ts";

describe("GetBalance, ListLedger and GrantCredits", () => {
  const test = useSandbox();

  async function ledger(principal: string, limit = 0) {
    const { entries } = await test.orchestrator.listLedger({ principal, limit });
    return entries.map(({ delta, balanceAfter }) => [delta, balanceAfter]);
  }

  it("opens a ledger for each principal with a key, and has nothing for others", async () => {
    assert.deepEqual(await ledger("alice"), [[100_000n, 100_000n]]);
    assert.equal((await test.orchestrator.getBalance({ principal: "nobody" })).balance, 0n);
    assert.deepEqual(await ledger("nobody"), []);
  });

  it("debits each step that succeeds, and none that fails or has no principal", async () => {
    await test.run(
      [
        { id: "design", tool: "rfdiffusion" },
        { id: "seqs", tool: "proteinmpnn", dependsOn: ["design"] },
        { id: "fold", tool: "af2", dependsOn: ["seqs"], params: { sandbox_fail: 1 } },
      ],
      as("alice"),
    );
    await test.run([{ id: "fold", tool: "boltz" }]);
    const entries = [
      [-5n, 99_970n],
      [-25n, 99_975n],
      [100_000n, 100_000n],
    ];
    assert.deepEqual(await ledger("alice"), entries);
    assert.deepEqual(await ledger("alice", 2), entries.slice(0, 2));
    assert.equal((await test.orchestrator.getBalance({ principal: "alice" })).balance, 99_970n);
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
