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
const safe = { safeToRepeat: true };

describe("consumeQuota", () => {
  const upstream = suite(startUpstream);
  const client = encodedClientSuite(upstream);

  /** A quota before an orchestrator that always gives this answer. */
  function setUp(answer: { allowed: boolean; limit: bigint; used: bigint } | ConnectError) {
    const counted: { keyHash: string; principal: string | null }[] = [];
    const forgotten: string[] = [];
    upstream().rpcs.consumeQuota = ({ keyHash }, { requestHeader }) => {
      counted.push({ keyHash, principal: requestHeader.get("ff-principal") });
      if (answer instanceof ConnectError) throw answer;
      return answer;
    };
    const authenticator = createAuthenticator(["secret"], {
      getStatus: () => Promise.reject(new Error("nobody should ask")),
      invalidate: (keyHash) => void forgotten.push(keyHash),
      size: () => ({ good: 0, denied: 0 }),
    });
    return { counted, forgotten, consumeQuota: createQuota(client(), authenticator) };
  }

  it("counts nothing for the admin", async () => {
    const { counted, consumeQuota } = setUp({ allowed: true, limit: 1n, used: 1n });
    assert.deepEqual(await consumeQuota({ kind: "admin" }, {}), {});
    assert.deepEqual(counted, []);
  });

  for (const [limit, used, remaining] of [
    [3n, 1n, "2"],
    [3n, 3n, "0"],
    [3n, 5n, "0"],
    [9_223_372_036_854_775_807n, 1n, "9223372036854775806"],
  ] as const)
    it(`tells where ${used} of ${limit} stand`, async () => {
      const { counted, forgotten, consumeQuota } = setUp({ allowed: true, limit, used });
      assert.deepEqual(await consumeQuota(alice, { headers: { "ff-principal": "alice" } }), {
        "X-RateLimit-Limit": String(limit),
        "X-RateLimit-Remaining": remaining,
      });
      assert.deepEqual(counted, [{ keyHash: alice.keyHash, principal: "alice" }]);
      assert.deepEqual(forgotten, []);
    });

  it("tells nothing where nothing is limited", async () => {
    const { consumeQuota } = setUp({ allowed: true, limit: 0n, used: 7n });
    assert.deepEqual(await consumeQuota(alice, {}), {});
  });

  for (const used of [3n, 4n, 0n])
    it(`refuses with 429 when ${used} are used and no more are allowed`, async () => {
      const { forgotten, consumeQuota } = setUp({ allowed: false, limit: 3n, used });
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
      assert.deepEqual(forgotten, []);
    });

  it("refuses a revoked key with the one 401 and forgets it", async () => {
    const { forgotten, consumeQuota } = setUp({ allowed: false, limit: 0n, used: 0n });
    await assert.rejects(consumeQuota(alice, {}), (error) => {
      assert.deepEqual(errorResponse(error, safe), errorResponse(unauthenticated(), safe));
      return true;
    });
    assert.deepEqual(forgotten, [alice.keyHash]);
  });

  it("passes a failed call on as it is", async () => {
    const { forgotten, consumeQuota } = setUp(new ConnectError("down", Code.Unavailable));
    await assert.rejects(consumeQuota(alice, {}), { code: Code.Unavailable });
    assert.deepEqual(forgotten, []);
  });
});
