import assert from "node:assert/strict";
import { Code, ConnectError } from "@connectrpc/connect";
import { createAuthenticator } from "../../src/auth/authenticator.ts";
import { createQuota } from "../../src/auth/quota.ts";
import { errorResponse } from "../../src/errors/error-response.ts";
import { unauthenticated } from "../../src/errors/http-error.ts";
import { suite } from "../support/gateway.ts";
import { encodedClientSuite } from "../support/orchestrator.ts";
import { startUpstream } from "../support/upstream.ts";

const alice = { kind: "key", principal: "alice", keyHash: "ab".repeat(32) } as const;
const safe = { isIdempotent: true };

describe("createQuota", () => {
  const upstream = suite(startUpstream);
  const client = encodedClientSuite(upstream);

  /** A quota with an orchestrator that always returns this response or error. */
  function setUp(response: { allowed: boolean; limit: bigint; used: bigint } | ConnectError) {
    const calls: { keyHash: string; principal: string | null }[] = [];
    const invalidated: string[] = [];
    upstream().rpcs.consumeQuota = ({ keyHash }, { requestHeader }) => {
      calls.push({ keyHash, principal: requestHeader.get("ff-principal") });
      if (response instanceof ConnectError) throw response;
      return response;
    };
    const authenticator = createAuthenticator(["secret"], {
      getStatus: () => Promise.reject(new Error("unexpected lookup")),
      invalidate: (keyHash) => void invalidated.push(keyHash),
      size: () => ({ allowed: 0, denied: 0 }),
    });
    return { calls, invalidated, consumeQuota: createQuota(client(), authenticator) };
  }

  it("makes no call for the admin", async () => {
    const { calls, consumeQuota } = setUp({ allowed: true, limit: 1n, used: 1n });
    assert.deepEqual(await consumeQuota({ kind: "admin", token: "current" }, {}), {});
    assert.deepEqual(calls, []);
  });

  for (const [limit, used, remaining] of [
    [3n, 1n, "2"],
    [3n, 3n, "0"],
    [3n, 5n, "0"],
    [9_223_372_036_854_775_807n, 1n, "9223372036854775806"],
  ] as const)
    it(`returns the headers for ${used} of ${limit} submissions`, async () => {
      const { calls, invalidated, consumeQuota } = setUp({ allowed: true, limit, used });
      assert.deepEqual(await consumeQuota(alice, { headers: { "ff-principal": "alice" } }), {
        "X-RateLimit-Limit": String(limit),
        "X-RateLimit-Remaining": remaining,
      });
      assert.deepEqual(calls, [{ keyHash: alice.keyHash, principal: "alice" }]);
      assert.deepEqual(invalidated, []);
    });

  it("returns no headers without a limit", async () => {
    const { consumeQuota } = setUp({ allowed: true, limit: 0n, used: 7n });
    assert.deepEqual(await consumeQuota(alice, {}), {});
  });

  for (const used of [3n, 4n, 0n])
    it(`rejects with 429 when ${used} are used and the submission is not allowed`, async () => {
      const { invalidated, consumeQuota } = setUp({ allowed: false, limit: 3n, used });
      await assert.rejects(consumeQuota(alice, {}), (error) => {
        assert.deepEqual(errorResponse(error, safe), {
          status: 429,
          headers: { "Retry-After": "60", "X-RateLimit-Limit": "3", "X-RateLimit-Remaining": "0" },
          body: {
            code: "RESOURCE_EXHAUSTED",
            message: "quota exhausted: 3 submissions per window",
            retryable: true,
          },
        });
        return true;
      });
      assert.deepEqual(invalidated, []);
    });

  it("rejects a revoked key with the one 401 and removes it from the cache", async () => {
    const { invalidated, consumeQuota } = setUp({ allowed: false, limit: 0n, used: 0n });
    await assert.rejects(consumeQuota(alice, {}), (error) => {
      assert.deepEqual(errorResponse(error, safe), errorResponse(unauthenticated(), safe));
      return true;
    });
    assert.deepEqual(invalidated, [alice.keyHash]);
  });

  it("rejects with the error of a failed call", async () => {
    const { invalidated, consumeQuota } = setUp(new ConnectError("down", Code.Unavailable));
    await assert.rejects(consumeQuota(alice, {}), { code: Code.Unavailable });
    assert.deepEqual(invalidated, []);
  });
});
