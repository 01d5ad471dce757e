import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { useSandbox } from "./support.ts";

const hash = (key: string) => createHash("sha256").update(key).digest("hex");

describe("AuthenticateApiKey and ConsumeQuota", () => {
  const clock = { ms: 1_000_000 };
  const test = useSandbox({}, () => clock.ms);

  it("returns the principal of a key, and why another is denied", async () => {
    const known = await test.orchestrator.authenticateApiKey({ keyHash: hash("alice-key") });
    assert.deepEqual([known.allowed, known.principal, known.denyReason], [true, "alice", ""]);
    for (const keyHash of [hash("nobody"), hash("alice-key").toUpperCase(), "alice-key", "", "__proto__"]) {
      const unknown = await test.orchestrator.authenticateApiKey({ keyHash });
      assert.deepEqual(
        [unknown.allowed, unknown.principal, unknown.denyReason],
        [false, "", "unknown API key"],
      );
    }
  });

  it("counts an unlimited key without a limit", async () => {
    const first = await test.orchestrator.consumeQuota({ keyHash: hash("alice-key") });
    const second = await test.orchestrator.consumeQuota({ keyHash: hash("alice-key") });
    assert.deepEqual([first.allowed, first.limit, second.used - first.used], [true, 0n, 1n]);
  });

  it("lets exactly the limit through, however many ask at once, until the window has ended", async () => {
    const ask = () => test.orchestrator.consumeQuota({ keyHash: hash("bob-key") });
    const responses = await Promise.all(Array.from({ length: 40 }, ask));
    const granted = responses.filter(({ allowed }) => allowed);
    assert.deepEqual(granted.map(({ used }) => used).sort(), [1n, 2n, 3n]);
    assert.ok(responses.every(({ limit, principal }) => limit === 3n && principal === "bob"));

    clock.ms += 59_999;
    const denied = await ask();
    assert.deepEqual([denied.allowed, denied.used], [false, 3n]);
    assert.match(denied.denyReason, /quota of 3 submissions per 60 s/);
    clock.ms += 1;
    const renewed = await ask();
    assert.deepEqual([renewed.allowed, renewed.used], [true, 1n]);
  });

  it("denies an unknown key its quota", async () => {
    const response = await test.orchestrator.consumeQuota({ keyHash: hash("nobody") });
    assert.deepEqual(
      [response.allowed, response.principal, response.denyReason],
      [false, "", "unknown API key"],
    );
  });

  it("denies a revoked key everything", async () => {
    test.sandbox.apiKeys.revoke("alice-key");
    const keyHash = hash("alice-key");
    const { allowed, principal, denyReason } = await test.orchestrator.authenticateApiKey({ keyHash });
    assert.deepEqual([allowed, principal, denyReason], [false, "", "revoked API key"]);
    assert.equal((await test.orchestrator.consumeQuota({ keyHash })).allowed, false);
  });
});
