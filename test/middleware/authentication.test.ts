import assert from "node:assert/strict";
import { Code, ConnectError } from "@connectrpc/connect";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import { adminToken, suite } from "../support/gateway.ts";
import type { TestGateway } from "../support/gateway.ts";
import { sendText } from "../support/raw-http.ts";
import { jsonPost, oneStep, sha256, workflowIn } from "../support/samples.ts";
import { callsDuring, startStack } from "../support/stack.ts";

const running = workflowIn(JobState.RUNNING);
const path = "/v1/workflows/w1";
const theOne401 = {
  code: "UNAUTHENTICATED",
  message: "a valid bearer token is required: send the header Authorization: Bearer <token>",
  retryable: false,
};

async function assert401(gateway: TestGateway, authorization: string | undefined, target = path) {
  const headers: Record<string, string> = authorization === undefined ? {} : { Authorization: authorization };
  const response = await gateway.fetch(target, { token: null, headers });
  const { trace_id, ...body } = (await response.json()) as Record<string, unknown>;
  assert.equal(response.status, 401);
  assert.equal(response.headers.get("www-authenticate"), "Bearer");
  assert.deepEqual(body, theOne401);
  assert.match(String(trace_id), /^[0-9a-f]{32}$/);
}

const notTokens: [what: string, header: string | undefined][] = [
  ["nothing", undefined],
  ["an empty header", ""],
  ["the scheme alone", "Bearer"],
  ["the scheme and a space", "Bearer "],
  ["another scheme", `Basic ${Buffer.from(`x:${adminToken}`).toString("base64")}`],
  ["the token without scheme", adminToken],
  ["the scheme twice", `Bearer Bearer ${adminToken}`],
  ["two words", `Bearer ${adminToken} x`],
  ["a list", `Bearer ${adminToken}, Bearer x`],
  ["the token in another case", `Bearer ${adminToken.toUpperCase()}`],
  ["part of the token", `Bearer ${adminToken.slice(0, -1)}`],
  ["more than the token", `Bearer ${adminToken}x`],
];

describe("authentication with API_KEYS_ENABLED=false", () => {
  const stack = suite(() => startStack({ getWorkflow: () => running }));

  for (const scheme of ["Bearer", "bearer", "BEARER"]) {
    it(`accepts the admin token with the scheme ${scheme}`, async () => {
      const headers = { Authorization: `${scheme} ${adminToken}` };
      assert.equal((await stack().gateway.fetch(path, { token: null, headers })).status, 200);
    });
  }

  for (const [what, header] of [...notTokens, ["an API key", "Bearer good-key"] as const]) {
    it(`responds 401 to ${what}, without a call`, async () => {
      assert.deepEqual(await callsDuring(stack().upstream, () => assert401(stack().gateway, header)), []);
    });
  }

  it("responds 401 before it validates the request", async () => {
    for (const target of ["/v1/workflows?x=1", "/v1/workflows/a%20b", "/v1/workflows/w1/artifacts/a%5Cb"]) {
      await assert401(stack().gateway, undefined, target);
    }
  });

  it("rejects a token in the query", async () => {
    for (const name of ["access_token", "token", "api_key"]) {
      await assert401(stack().gateway, undefined, `${path}?${name}=${adminToken}`);
    }
  });

  for (const [what, head] of [
    ["a length", "Content-Length: 50000000\r\n"],
    ["chunks", "Transfer-Encoding: chunked\r\n"],
  ] as const) {
    it(`responds 401 and closes the connection before it reads a body announced by ${what}`, async () => {
      const response = await sendText(
        stack().gateway.url,
        `POST /v1/workflows HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n${head}\r\n`,
      );
      assert.match(response, /^HTTP\/1\.1 401 /);
      assert.match(response, /^Connection: close\r$/m);
    });
  }

  for (const open of ["/v1/healthz", "/metrics"]) {
    it(`requires no token on ${open}`, async () => {
      assert.equal((await stack().gateway.fetch(open, { token: null })).status, 200);
    });
  }
});

describe("authentication with API_KEYS_ENABLED=true", () => {
  let time = 1;
  const stack = suite(() =>
    startStack(
      { getWorkflow: () => running, submitWorkflow: () => running, consumeQuota: () => ({ allowed: true }) },
      { API_KEYS_ENABLED: "true", AUTH_CACHE_TTL_SECONDS: "30" },
      { now: () => time },
    ),
  );
  let hashes: string[] = [];

  /** The keys that the orchestrator knows, by their hashes. */
  function know(...keys: string[]) {
    hashes = [];
    stack().upstream.rpcs.authenticateApiKey = ({ keyHash }) => {
      hashes.push(keyHash);
      const key = keys.find((known) => sha256(known) === keyHash);
      return key === undefined
        ? { allowed: false, denyReason: "word-of-the-orchestrator" }
        : { allowed: true, principal: `owner-of-${key}` };
    };
  }

  const status = async (token: string) => (await stack().gateway.fetch(path, { token })).status;

  it("looks a key up by its SHA-256, once while its cache entry is fresh", async () => {
    know("key-a");
    assert.equal(await status("key-a"), 200);
    assert.equal(await status("key-a"), 200);
    assert.deepEqual(hashes, [sha256("key-a")]);
  });

  it("looks the admin token up nowhere", async () => {
    know();
    assert.equal(await status(adminToken), 200);
    assert.deepEqual(hashes, []);
  });

  for (const [what, header] of [...notTokens, ["an unknown key", "Bearer no-such-key"] as const]) {
    it(`responds 401 to ${what}`, async () => {
      know();
      await assert401(stack().gateway, header);
    });
  }

  it("caches a denial", async () => {
    know();
    assert.equal(await status("key-b"), 401);
    know("key-b");
    assert.equal(await status("key-b"), 401);
    time += 30_001;
    assert.equal(await status("key-b"), 200);
  });

  it("responds 401 to a revoked key, at most a cache time later", async () => {
    know("key-c");
    assert.equal(await status("key-c"), 200);
    know();
    assert.equal(await status("key-c"), 200);
    time += 30_001;
    await assert401(stack().gateway, "Bearer key-c");
  });

  it("responds 401 when the quota call finds that the key is revoked", async () => {
    know("key-d");
    stack().upstream.rpcs.consumeQuota = () => ({ allowed: false, denyReason: "revoked" });
    const response = await stack().gateway.fetch("/v1/workflows", { ...jsonPost(oneStep), token: "key-d" });
    const { trace_id, ...body } = (await response.json()) as Record<string, unknown>;
    assert.ok(trace_id);
    assert.equal(response.status, 401);
    assert.deepEqual(body, theOne401);
    know();
    await assert401(stack().gateway, "Bearer key-d");
  });

  it("responds 503 for a key without a principal", async () => {
    stack().upstream.rpcs.authenticateApiKey = () => ({ allowed: true, principal: "" });
    const response = await stack().gateway.fetch("/v1/workflows", { token: "key-e" });
    assert.equal(response.status, 503);
  });

  it("responds 503, never 401, when the lookup fails, and looks up again", async () => {
    stack().upstream.rpcs.authenticateApiKey = () => {
      throw new ConnectError("no", Code.Unavailable);
    };
    assert.equal(await status("key-f"), 503);
    know("key-f");
    assert.equal(await status("key-f"), 200);
  });

  it("looks a key up once for concurrent requests", async () => {
    const release = Promise.withResolvers<undefined>();
    let lookups = 0;
    stack().upstream.rpcs.authenticateApiKey = async () => {
      lookups += 1;
      await release.promise;
      return { allowed: true, principal: "p" };
    };
    const responses = Array.from({ length: 20 }, () => status("key-g"));
    // The response to a request without a lookup comes after the lookups of those before it.
    assert.equal(await status(adminToken), 200);
    release.resolve(undefined);
    assert.deepEqual(new Set(await Promise.all(responses)), new Set([200]));
    assert.equal(lookups, 1);
  });

  it("writes no token and no reason of a denial to the log or the response", () => {
    const { logText, logs } = stack().gateway;
    assert.ok(logs.length > 0);
    for (const word of [adminToken, "key-a", "key-b", "no-such-key", "word-of-the-orchestrator"]) {
      // A principal is named after its key here, and may be logged.
      assert.ok(!logText.replaceAll(/owner-of-key-\w/g, "").includes(word), word);
    }
  });
});
