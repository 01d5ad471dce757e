import assert from "node:assert/strict";
import { Code, ConnectError } from "@connectrpc/connect";
import { createHash } from "node:crypto";
import { createAuthenticator } from "../../src/auth/authenticator.ts";
import { actorOf, principalOf } from "../../src/auth/caller.ts";
import type { Caller } from "../../src/auth/caller.ts";
import type { ApiKeyCache, KeyUse, ApiKeyStatus } from "../../src/auth/api-key-cache.ts";
import { traceContextFrom } from "../../src/telemetry/trace-context.ts";

const trace = traceContextFrom(undefined, undefined);
const admin = { kind: "admin", token: "current" } as const;
const hashOf = (token: string) => createHash("sha256").update(token).digest("hex");
const alice = { kind: "key", principal: "alice", keyHash: hashOf("alice-key") } as const;

/** A cache that records the arguments of every call. */
function cacheOf(statusOf: (keyHash: string) => ApiKeyStatus | Promise<ApiKeyStatus>) {
  const calls: unknown[][] = [];
  const cache: ApiKeyCache = {
    async getStatus(...args) {
      calls.push(args);
      return statusOf(args[0]);
    },
    invalidate: (...args) => void calls.push(args),
    size: () => ({ allowed: 0, denied: 0 }),
  };
  return { cache, calls };
}

const onlyAlice = (keyHash: string): ApiKeyStatus =>
  keyHash === alice.keyHash ? { allowed: true, principal: "alice" } : { allowed: false };

const { signal } = new AbortController();
const getSignal = () => signal;
const authenticate = (cache: ApiKeyCache | undefined, header: string | undefined, use: KeyUse = "read") =>
  createAuthenticator(["secret"], cache).authenticate(header, trace, use, getSignal);

async function assertUnauthenticated(caller: Promise<Caller | undefined>) {
  assert.equal(await caller, undefined);
}

describe("authenticate", () => {
  it("identifies the admin by the static token without a lookup, with API keys and without", async () => {
    const { cache, calls } = cacheOf(onlyAlice);
    assert.deepEqual(await authenticate(cache, "Bearer secret"), admin);
    assert.deepEqual(await authenticate(undefined, "bearer secret"), admin);
    assert.deepEqual(calls, []);
  });

  for (const [header, token] of [
    ["Bearer abc", "abc"],
    ["bearer abc", "abc"],
    ["BEARER   abc", "abc"],
    ["Bearer !~:/+=,;'\"", "!~:/+=,;'\""],
    ["Bearer Bearer", "Bearer"],
  ] as const)
    it(`reads the token of the header ${header}`, async () => {
      const { cache, calls } = cacheOf(() => ({ allowed: true, principal: "alice" }));
      await authenticate(cache, header);
      assert.equal(calls[0]?.[0], hashOf(token));
    });

  it("identifies the admin by either of two tokens, and tells which", async () => {
    const authenticator = createAuthenticator(["new-token", "old-token"], undefined);
    for (const [token, which] of [
      ["new-token", "current"],
      ["old-token", "previous"],
    ])
      assert.deepEqual(await authenticator.authenticate(`Bearer ${token}`, trace, "read", getSignal), {
        kind: "admin",
        token: which,
      });
    for (const token of ["new-token,old-token", "new-tokenold-token", "other-token"])
      await assertUnauthenticated(authenticator.authenticate(`Bearer ${token}`, trace, "read", getSignal));
  });

  it("identifies the holder of an API key", async () => {
    const { cache } = cacheOf(onlyAlice);
    assert.deepEqual(await authenticate(cache, "Bearer alice-key"), alice);
  });

  it("passes the SHA-256 of a token to the cache, never the token", async () => {
    const { cache, calls } = cacheOf(onlyAlice);
    await assertUnauthenticated(authenticate(cache, "Bearer raw-token"));
    assert.deepEqual(calls, [[hashOf("raw-token"), trace, "read", getSignal]]);
    assert.ok(!JSON.stringify(calls).includes("raw-token"));
  });

  for (const use of ["read", "write"] as const)
    it(`passes the use ${use} to the cache`, async () => {
      const { cache, calls } = cacheOf(onlyAlice);
      await authenticate(cache, "Bearer alice-key", use);
      assert.deepEqual(calls, [[alice.keyHash, trace, use, getSignal]]);
    });

  for (const header of [
    undefined,
    "",
    "Bearer",
    "Bearer ",
    "secret",
    "Basic c2VjcmV0",
    "Bearersecret",
    "Bearer secret ",
    "Bearer secret, Bearer secret",
    "Bearer sec ret",
    "Bearer sécret",
    " Bearer secret",
    "Bearer\tsecret",
    "Bearer secret\n",
    "Bearer secret\u0000",
    "Token: Bearer secret",
  ])
    it(`identifies nobody by the header ${JSON.stringify(header)}, without a lookup`, async () => {
      const { cache, calls } = cacheOf(onlyAlice);
      await assertUnauthenticated(authenticate(cache, header));
      assert.deepEqual(calls, []);
    });

  for (const token of ["Secret", "secre", "secrets", hashOf("secret"), hashOf("alice-key"), "unknown"])
    it(`identifies nobody by the token ${token}, with API keys and without`, async () => {
      const { cache } = cacheOf(onlyAlice);
      await assertUnauthenticated(authenticate(cache, `Bearer ${token}`));
      await assertUnauthenticated(authenticate(undefined, `Bearer ${token}`));
    });

  for (const code of [
    Code.Unavailable,
    Code.Internal,
    Code.Unauthenticated,
    Code.PermissionDenied,
    Code.NotFound,
  ])
    it(`rejects with 503 and hides the cause when a lookup fails with ${Code[code]}`, async () => {
      const failure = new ConnectError("message of the lookup", code);
      const { cache } = cacheOf(() => Promise.reject(failure));
      await assert.rejects(authenticate(cache, "Bearer x"), {
        code: Code.Unavailable,
        message: "internal server error",
        cause: failure,
      });
    });
});

describe("revalidationOf", () => {
  const revalidationOf = (cache: ApiKeyCache, caller: Caller) =>
    createAuthenticator(["secret"], cache).revalidationOf(caller, trace);
  const isStillValid = (status: ApiKeyStatus) =>
    revalidationOf(cacheOf(() => status).cache, alice)?.isStillValid();

  it("returns undefined for the admin", () => {
    assert.equal(revalidationOf(cacheOf(onlyAlice).cache, admin), undefined);
  });

  it("has one id for each pair of a key and a principal", () => {
    const { cache } = cacheOf(onlyAlice);
    const idOf = (caller: Caller) => revalidationOf(cache, caller)?.id;
    assert.equal(idOf(alice), idOf({ ...alice }));
    assert.notEqual(idOf(alice), idOf({ ...alice, principal: "bob" }));
    assert.notEqual(idOf(alice), idOf({ ...alice, keyHash: hashOf("other-key") }));
  });

  it("is valid as long as the key is allowed and belongs to the same principal", async () => {
    assert.equal(await isStillValid({ allowed: true, principal: "alice" }), true);
    assert.equal(await isStillValid({ allowed: true, principal: "bob" }), false);
    assert.equal(await isStillValid({ allowed: false }), false);
  });

  it("looks the key up for a revalidation", async () => {
    const { cache, calls } = cacheOf(onlyAlice);
    await revalidationOf(cache, alice)?.isStillValid();
    assert.deepEqual(calls, [[alice.keyHash, trace, "revalidation"]]);
  });

  it("rejects when the key cannot be looked up", async () => {
    const { cache } = cacheOf(() => Promise.reject(new Error("unreachable")));
    await assert.rejects(async () => revalidationOf(cache, alice)?.isStillValid(), /unreachable/);
  });
});

describe("invalidate", () => {
  it("drops the key from the cache", () => {
    const { cache, calls } = cacheOf(onlyAlice);
    createAuthenticator(["secret"], cache).invalidate(alice);
    assert.deepEqual(calls, [[alice.keyHash]]);
    createAuthenticator(["secret"], undefined).invalidate(alice);
  });
});

describe("principalOf", () => {
  it("scopes the holder of a key and not the admin", () => {
    assert.equal(principalOf(alice), "alice");
    assert.equal(principalOf(admin), undefined);
  });
});

describe("actorOf", () => {
  for (const [caller, actor] of [
    [admin, "admin"],
    [{ kind: "admin", token: "previous" }, "admin-previous"],
    [alice, "alice"],
    [undefined, "anonymous"],
  ] as const)
    it(`returns ${actor}`, () => {
      assert.equal(actorOf(caller), actor);
    });
});
