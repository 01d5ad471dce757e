import assert from "node:assert/strict";
import { Code, ConnectError } from "@connectrpc/connect";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import { adminToken, suite } from "../support/gateway.ts";
import { hang } from "../support/hang.ts";
import { upstreamOperations } from "../support/operations.ts";
import { jsonPost, oneStep, workflowEvent, workflowIn } from "../support/samples.ts";
import { callsDuring, startStack } from "../support/stack.ts";

const path = "/v1/workflows/w1";

/** The operations that a stale status allows. */
const reads: ReadonlySet<string> = new Set([
  ...["listWorkflows", "getWorkflow", "rankDesigns", "streamWorkflowEvents"],
  ...["listArtifacts", "downloadArtifact", "getBalance", "listLedger"],
]);

const ttlMs = 30_000;
const staleMs = 60_000;

describe("a gateway whose key store is down", () => {
  let time = 1;
  const stack = suite(() =>
    startStack(
      {
        getWorkflow: () => workflowIn(JobState.FAILED),
        listWorkflows: () => ({}),
        submitWorkflow: () => workflowIn(JobState.QUEUED),
        cancelWorkflow: () => workflowIn(JobState.CANCELLED),
        retryWorkflow: () => workflowIn(JobState.QUEUED),
        rankDesigns: () => ({}),
        getBalance: () => ({}),
        listLedger: () => ({}),
        consumeQuota: () => ({ allowed: true }),
        async *streamWorkflowEvents() {
          yield await Promise.resolve(workflowEvent(9n, JobState.FAILED));
        },
      },
      { API_KEYS_ENABLED: "true", AUTH_CACHE_TTL_SECONDS: "30", AUTH_CACHE_STALE_IF_ERROR_SECONDS: "60" },
      { now: () => time },
    ),
  );

  function setStore(state: "allows" | "denies" | "fails") {
    stack().upstream.rpcs.authenticateApiKey = () => {
      if (state === "fails") throw new ConnectError("message of the key store", Code.Unavailable);
      return { allowed: state === "allows", principal: "alice" };
    };
  }

  const status = async (token: string, init: RequestInit & { path?: string } = {}) => {
    const response = await stack().gateway.fetch(init.path ?? path, { ...init, token });
    await response.text();
    return response.status;
  };

  /** Makes the cached status of an allowed key stale, and stops the store. */
  async function makeStale(key: string) {
    setStore("allows");
    assert.equal(await status(key), 200);
    time += ttlMs + 1;
    setStore("fails");
  }

  for (const { id, path, init, rpc } of upstreamOperations) {
    const key = `key-of-${id}-${String("Idempotency-Key" in (init.headers ?? {}))}`;
    const isRead = reads.has(id);

    it(`${isRead ? "serves" : "rejects"} ${id} ${key.endsWith("true") ? "with an Idempotency-Key " : ""}with a stale key`, async () => {
      setStore("allows");
      const before = await status(key, { ...init, path });
      await makeStale(key);
      const calls = await callsDuring(stack().upstream, async () => {
        assert.equal(await status(key, { ...init, path }), isRead ? before : 503);
      });
      const name = rpc.replace(/^./, (letter) => letter.toUpperCase());
      assert.equal(
        calls.some((call) => call.rpc === name),
        isRead,
      );
    });
  }

  it("serves HEAD as GET", async () => {
    await makeStale("key-head");
    assert.equal(await status("key-head", { method: "HEAD" }), 200);
  });

  it("serves reads for exactly the stale time after the TTL", async () => {
    await makeStale("key-a");
    time += staleMs - 1;
    assert.equal(await status("key-a"), 200);
    time += 1;
    assert.equal(await status("key-a"), 503);
  });

  it("returns 503 for an unknown key and for a denied key", async () => {
    setStore("denies");
    assert.equal(await status("key-denied"), 401);
    time += ttlMs + 1;
    setStore("fails");
    assert.equal(await status("key-denied"), 503);
    assert.equal(await status("key-unknown"), 503);
  });

  it("returns a retryable error that hides the cause", async () => {
    await makeStale("key-b");
    const response = await stack().gateway.fetch("/v1/workflows", { ...jsonPost(oneStep), token: "key-b" });
    const { trace_id, ...body } = (await response.json()) as Record<string, unknown>;
    assert.ok(trace_id);
    assert.equal(response.status, 503);
    assert.match(String(response.headers.get("retry-after")), /^[1-9][0-9]*$/);
    assert.deepEqual(body, { code: "UNAVAILABLE", message: "internal server error", retryable: true });
  });

  it("logs the failure of a key's lookups once, although its reads succeed", async () => {
    await makeStale("key-c");
    const before = stack().gateway.logs.length;
    for (let i = 0; i < 5; i++, time += 1000) assert.equal(await status("key-c"), 200);
    const warnings = stack()
      .gateway.logs.slice(before)
      .filter(({ event }) => event === "api_key_lookup.failed");
    assert.equal(warnings.length, 1);
    assert.match(JSON.stringify(warnings), /message of the key store/);
    assert.ok(!stack().gateway.logText.includes("key-c"));
  });

  it("serves the admin", async () => {
    setStore("fails");
    assert.equal(await status(adminToken), 200);
    assert.equal(await status(adminToken, { ...jsonPost(oneStep), path: "/v1/workflows" }), 201);
  });

  it("accepts a write as soon as the store is up again", async () => {
    await makeStale("key-d");
    const submit = () => status("key-d", { ...jsonPost(oneStep), path: "/v1/workflows" });
    assert.equal(await submit(), 503);
    setStore("allows");
    assert.equal(await submit(), 201);
  });

  it("returns 401 as soon as the store denies the key", async () => {
    await makeStale("key-e");
    assert.equal(await status("key-e"), 200);
    setStore("denies");
    time += 1000;
    assert.equal(await status("key-e"), 401);
    setStore("fails");
    assert.equal(await status("key-e"), 401);
    time += ttlMs + 1;
    assert.equal(await status("key-e"), 503);
  });

  it("serves reads without waiting for a slow lookup, after one has failed", async () => {
    await makeStale("key-f");
    assert.equal(await status("key-f"), 200);
    time += 1000;
    const lookup = hang(stack().upstream, "authenticateApiKey");
    const first = status("key-f");
    await lookup.started;
    time += 1000;
    const calls = await callsDuring(stack().upstream, async () => {
      assert.deepEqual(await Promise.all([status("key-f"), status("key-f")]), [200, 200]);
    });
    assert.deepEqual(
      calls.map(({ rpc }) => rpc),
      ["GetWorkflow", "GetWorkflow"],
    );
    setStore("fails");
    stack().upstream.dropConnections();
    assert.equal(await first, 200);
  });
});
