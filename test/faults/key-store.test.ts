import assert from "node:assert/strict";
import { Code, ConnectError } from "@connectrpc/connect";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import { adminToken, suite } from "../support/gateway.ts";
import { hang } from "../support/hang.ts";
import { upstreamOperations } from "../support/operations.ts";
import { jsonPost, oneStep, workflowEvent, workflowIn } from "../support/samples.ts";
import { callsDuring, startStack } from "../support/stack.ts";

const path = "/v1/workflows/w1";

/** What a key may go on with that cannot be looked up. */
const reads: ReadonlySet<string> = new Set([
  ...["listWorkflows", "getWorkflow", "rankDesigns", "streamWorkflowEvents", "downloadArtifact"],
  ...["getBalance", "listLedger"],
]);

const ttlMs = 30_000;
const staleMs = 60_000;

describe("a key store that is down", () => {
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

  function store(answer: "allows" | "denies" | "fails") {
    stack().upstream.rpcs.authenticateApiKey = () => {
      if (answer === "fails") throw new ConnectError("words of the key store", Code.Unavailable);
      return { allowed: answer === "allows", principal: "alice" };
    };
  }

  const status = async (token: string, init: RequestInit & { path?: string } = {}) => {
    const answer = await stack().gateway.fetch(init.path ?? path, { ...init, token });
    await answer.text();
    return answer.status;
  };

  /** Makes a key known as a good one whose time is over, and stops the store. */
  async function outdate(key: string) {
    store("allows");
    assert.equal(await status(key), 200);
    time += ttlMs + 1;
    store("fails");
  }

  for (const { id, path, init, rpc } of upstreamOperations) {
    const key = `key-of-${id}-${String("Idempotency-Key" in (init.headers ?? {}))}`;
    const isRead = reads.has(id);

    it(`${isRead ? "goes on with" : "refuses"} ${id} ${key.endsWith("true") ? "with an Idempotency-Key " : ""}of a key known as good`, async () => {
      store("allows");
      const before = await status(key, { ...init, path });
      await outdate(key);
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

  it("goes on with HEAD as with GET", async () => {
    await outdate("key-head");
    assert.equal(await status("key-head", { method: "HEAD" }), 200);
  });

  it("lets a good key read for the stale time after its TTL, and not a millisecond longer", async () => {
    await outdate("key-a");
    time += staleMs - 1;
    assert.equal(await status("key-a"), 200);
    time += 1;
    assert.equal(await status("key-a"), 503);
  });

  it("answers 503 to a key that it does not know, and to one it knew as denied", async () => {
    store("denies");
    assert.equal(await status("key-denied"), 401);
    time += ttlMs + 1;
    store("fails");
    assert.equal(await status("key-denied"), 503);
    assert.equal(await status("key-unknown"), 503);
  });

  it("says in a refusal that a repeat may help, and nothing of the store", async () => {
    await outdate("key-b");
    const answer = await stack().gateway.fetch("/v1/workflows", { ...jsonPost(oneStep), token: "key-b" });
    const { trace_id, ...body } = (await answer.json()) as Record<string, unknown>;
    assert.ok(trace_id);
    assert.equal(answer.status, 503);
    assert.match(String(answer.headers.get("retry-after")), /^[1-9][0-9]*$/);
    assert.deepEqual(body, { code: "UNAVAILABLE", message: "internal server error", retryable: true });
  });

  it("logs once why a key is not confirmed, though its reads succeed", async () => {
    await outdate("key-c");
    const before = stack().gateway.logs.length;
    for (let i = 0; i < 5; i++, time += 1000) assert.equal(await status("key-c"), 200);
    const notes = stack()
      .gateway.logs.slice(before)
      .filter(({ event }) => event === "revalidation.failed");
    assert.equal(notes.length, 1);
    assert.match(JSON.stringify(notes), /words of the key store/);
    assert.ok(!stack().gateway.logText.includes("key-c"));
  });

  it("does not touch the admin", async () => {
    store("fails");
    assert.equal(await status(adminToken), 200);
    assert.equal(await status(adminToken, { ...jsonPost(oneStep), path: "/v1/workflows" }), 201);
  });

  it("lets a key submit as soon as it can be looked up again", async () => {
    await outdate("key-d");
    const submit = () => status("key-d", { ...jsonPost(oneStep), path: "/v1/workflows" });
    assert.equal(await submit(), 503);
    store("allows");
    assert.equal(await submit(), 201);
  });

  it("believes a denial as soon as there is one", async () => {
    await outdate("key-e");
    assert.equal(await status("key-e"), 200);
    store("denies");
    time += 1000;
    assert.equal(await status("key-e"), 401);
    store("fails");
    assert.equal(await status("key-e"), 401);
    time += ttlMs + 1;
    assert.equal(await status("key-e"), 503);
  });

  it("makes reads wait for no lookup that has said nothing for a second, once one has failed", async () => {
    await outdate("key-f");
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
    store("fails");
    stack().upstream.dropConnections();
    assert.equal(await first, 200);
  });
});
