import assert from "node:assert/strict";
import { Code, ConnectError } from "@connectrpc/connect";
import { createHash } from "node:crypto";
import { createAuthenticator } from "../../src/auth/authenticator.ts";
import { principalOf } from "../../src/auth/caller.ts";
import type { ApiKeyCache, KeyUse, KeyVerdict } from "../../src/auth/api-key-cache.ts";
import { errorResponse } from "../../src/errors/error-response.ts";
import { unauthenticated } from "../../src/errors/http-error.ts";
import { traceContextFrom } from "../../src/telemetry/trace-context.ts";

const trace = traceContextFrom(undefined, undefined);
const admin = { kind: "admin" } as const;
const hashOf = (token: string) => createHash("sha256").update(token).digest("hex");
const alice = { kind: "key", principal: "alice", keyHash: hashOf("alice-key") } as const;
const the401 = errorResponse(unauthenticated(), { safeToRepeat: true });

/** A directory of which the test sees every argument. */
function directory(answer: (keyHash: string) => KeyVerdict | Promise<KeyVerdict>) {
  const seen: unknown[][] = [];
  const keys: ApiKeyCache = {
    async verdictOn(...args) {
      seen.push(args);
      return answer(args[0]);
    },
    forget: (...args) => void seen.push(args),
    kept: () => ({ good: 0, denied: 0 }),
  };
  return { keys, seen };
}

const onlyAlice = (keyHash: string): KeyVerdict =>
  keyHash === alice.keyHash ? { allowed: true, principal: "alice" } : { allowed: false };

const { signal } = new AbortController();
const stays = () => signal;
const authenticate = (keys: ApiKeyCache | undefined, header: string | undefined, use: KeyUse = "read") =>
  createAuthenticator(["secret"], keys).authenticate(header, trace, use, stays);

async function assertRefused(caller: Promise<unknown>) {
  await assert.rejects(caller, (error) => {
    assert.deepEqual(errorResponse(error, { safeToRepeat: true }), the401);
    return true;
  });
}

describe("authenticate", () => {
  it("knows the admin by the static token, with API keys or without, and asks nobody", async () => {
    const { keys, seen } = directory(onlyAlice);
    assert.deepEqual(await authenticate(keys, "Bearer secret"), admin);
    assert.deepEqual(await authenticate(undefined, "bearer secret"), admin);
    assert.deepEqual(seen, []);
  });

  it("knows the admin by either of two tokens", async () => {
    const authenticator = createAuthenticator(["new-token", "old-token"], undefined);
    for (const token of ["new-token", "old-token"])
      assert.deepEqual(await authenticator.authenticate(`Bearer ${token}`, trace, "read", stays), admin);
    for (const token of ["new-token,old-token", "new-tokenold-token", "other-token"])
      await assertRefused(authenticator.authenticate(`Bearer ${token}`, trace, "read", stays));
  });

  it("knows the holder of an API key", async () => {
    const { keys } = directory(onlyAlice);
    assert.deepEqual(await authenticate(keys, "Bearer alice-key"), alice);
  });

  it("looks up the SHA-256 of a token and never the token", async () => {
    const { keys, seen } = directory(onlyAlice);
    await assertRefused(authenticate(keys, "Bearer raw-token"));
    assert.deepEqual(seen, [[hashOf("raw-token"), trace, "read", stays]]);
    assert.ok(!JSON.stringify(seen).includes("raw-token"));
  });

  for (const use of ["read", "write"] as const)
    it(`asks for a verdict that is good enough to ${use}`, async () => {
      const { keys, seen } = directory(onlyAlice);
      await authenticate(keys, "Bearer alice-key", use);
      assert.deepEqual(seen, [[alice.keyHash, trace, use, stays]]);
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
  ])
    it(`answers ${JSON.stringify(header)} with the one 401 and looks nothing up`, async () => {
      const { keys, seen } = directory(onlyAlice);
      await assertRefused(authenticate(keys, header));
      assert.deepEqual(seen, []);
    });

  for (const token of ["Secret", "secre", "secrets", hashOf("secret"), hashOf("alice-key"), "unknown"])
    it(`answers the token ${token} with the one 401, with API keys or without`, async () => {
      const { keys } = directory(onlyAlice);
      await assertRefused(authenticate(keys, `Bearer ${token}`));
      await assertRefused(authenticate(undefined, `Bearer ${token}`));
    });

  for (const code of [
    Code.Unavailable,
    Code.Internal,
    Code.Unauthenticated,
    Code.PermissionDenied,
    Code.NotFound,
  ])
    it(`answers 503 to a lookup that fails with ${Code[code]}, and keeps its words`, async () => {
      const failure = new ConnectError("words of the lookup", code);
      const { keys } = directory(() => Promise.reject(failure));
      await assert.rejects(authenticate(keys, "Bearer x"), {
        code: Code.Unavailable,
        message: "internal server error",
        cause: failure,
      });
    });
});

describe("isStillValid", () => {
  const isStillValid = (verdict: KeyVerdict) =>
    createAuthenticator(["secret"], directory(() => verdict).keys).isStillValid(alice, trace);

  it("always holds for the admin, without a lookup", async () => {
    const { keys, seen } = directory(() => ({ allowed: false }));
    assert.equal(await createAuthenticator(["secret"], keys).isStillValid(admin, trace), true);
    assert.deepEqual(seen, []);
  });

  it("holds for a key as long as it is allowed and belongs to the same principal", async () => {
    assert.equal(await isStillValid({ allowed: true, principal: "alice" }), true);
    assert.equal(await isStillValid({ allowed: true, principal: "bob" }), false);
    assert.equal(await isStillValid({ allowed: false }), false);
  });

  it("asks for a verdict that is good enough to go on", async () => {
    const { keys, seen } = directory(onlyAlice);
    await createAuthenticator(["secret"], keys).isStillValid(alice, trace);
    assert.deepEqual(seen, [[alice.keyHash, trace, "follow"]]);
  });

  it("rejects when nobody vouches for the key", async () => {
    const { keys } = directory(() => Promise.reject(new Error("unreachable")));
    await assert.rejects(createAuthenticator(["secret"], keys).isStillValid(alice, trace), /unreachable/);
  });
});

describe("forget", () => {
  it("drops the key from the directory", () => {
    const { keys, seen } = directory(onlyAlice);
    createAuthenticator(["secret"], keys).forget(alice);
    assert.deepEqual(seen, [[alice.keyHash]]);
    createAuthenticator(["secret"], undefined).forget(alice);
  });
});

describe("principalOf", () => {
  it("scopes the holder of a key and not the admin", () => {
    assert.equal(principalOf(alice), "alice");
    assert.equal(principalOf(admin), undefined);
  });
});
