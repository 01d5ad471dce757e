import assert from "node:assert/strict";
import { Code, ConnectError } from "@connectrpc/connect";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import { suite } from "../support/gateway.ts";
import { jsonPost, oneStep, sha256, workflowIn } from "../support/samples.ts";
import { callsDuring, startStack } from "../support/stack.ts";

describe("POST /v1/workflows, with a quota", () => {
  const stack = suite(() =>
    startStack(
      {
        authenticateApiKey: () => ({ allowed: true, principal: "alice" }),
        submitWorkflow: () => workflowIn(JobState.QUEUED),
      },
      { API_KEYS_ENABLED: "true" },
    ),
  );

  const submit = (body: unknown = oneStep) =>
    stack().gateway.fetch("/v1/workflows", { ...jsonPost(body), token: "a-key" });

  function quota(allowed: boolean, limit: bigint, used: bigint): string[] {
    const keyHashes: string[] = [];
    stack().upstream.rpcs.consumeQuota = ({ keyHash }) => {
      keyHashes.push(keyHash);
      return { allowed, limit, used, principal: "alice" };
    };
    return keyHashes;
  }

  const rateLimit = ({ headers }: Response) => [
    headers.get("x-ratelimit-limit"),
    headers.get("x-ratelimit-remaining"),
  ];

  it("counts one submission of the key before SubmitWorkflow, and returns the remaining ones", async () => {
    const keyHashes = quota(true, 10n, 3n);
    const calls = await callsDuring(stack().upstream, async () => {
      const response = await submit();
      assert.equal(response.status, 201);
      assert.deepEqual(rateLimit(response), ["10", "7"]);
    });
    assert.deepEqual(keyHashes, [sha256("a-key")]);
    assert.deepEqual(calls.map(({ rpc }) => rpc).slice(-2), ["ConsumeQuota", "SubmitWorkflow"]);
  });

  it("sends no X-RateLimit headers when the key is unlimited", async () => {
    quota(true, 0n, 5n);
    assert.deepEqual(rateLimit(await submit()), [null, null]);
  });

  it("returns 429 when the quota is exhausted, without SubmitWorkflow", async () => {
    quota(false, 3n, 3n);
    const calls = await callsDuring(stack().upstream, async () => {
      const response = await submit();
      const body = (await response.json()) as { code: string; retryable: boolean };
      assert.equal(response.status, 429);
      assert.deepEqual([body.code, body.retryable], ["RESOURCE_EXHAUSTED", true]);
      assert.deepEqual(rateLimit(response), ["3", "0"]);
      assert.match(String(response.headers.get("retry-after")), /^[1-9][0-9]*$/);
    });
    assert.ok(!calls.some(({ rpc }) => rpc === "SubmitWorkflow"));
  });

  it("returns the remaining submissions with an error after the count, too", async () => {
    quota(true, 10n, 4n);
    const { submitWorkflow } = stack().upstream.rpcs;
    stack().upstream.rpcs.submitWorkflow = () => {
      throw new ConnectError("no such tool version", Code.InvalidArgument);
    };
    const response = await submit();
    if (submitWorkflow !== undefined) stack().upstream.rpcs.submitWorkflow = submitWorkflow;
    assert.equal(response.status, 400);
    assert.deepEqual(rateLimit(response), ["10", "6"]);
  });

  it("does not count an invalid request", async () => {
    const keyHashes = quota(true, 10n, 1n);
    const invalid = [
      {},
      { ...oneStep, extra: 1 },
      { name: "n", steps: [{ id: "a", tool: "af2", depends_on: ["b"] }] },
    ];
    for (const body of invalid) assert.equal((await submit(body)).status, 400);
    assert.deepEqual(keyHashes, []);
  });

  it("counts neither the admin's submissions nor other requests", async () => {
    const keyHashes = quota(false, 1n, 1n);
    stack().upstream.rpcs.getWorkflow = () => workflowIn(JobState.QUEUED);
    stack().upstream.rpcs.rankDesigns = () => ({});
    const admin = await stack().gateway.fetch("/v1/workflows", jsonPost(oneStep));
    assert.equal(admin.status, 201);
    assert.deepEqual(rateLimit(admin), [null, null]);
    assert.equal((await stack().gateway.fetch("/v1/workflows/w1", { token: "a-key" })).status, 200);
    const rank = { ...jsonPost({ metric: "plddt" }), token: "a-key" };
    assert.equal((await stack().gateway.fetch("/v1/workflows/w1/rank", rank)).status, 200);
    const plan = { ...jsonPost(oneStep), token: "a-key" };
    assert.equal((await stack().gateway.fetch("/v1/workflows/validate", plan)).status, 200);
    assert.deepEqual(keyHashes, []);
  });

  for (const [code, status] of [
    [Code.Unavailable, 503],
    [Code.Internal, 500],
  ] as const) {
    it(`returns ${status} when the count fails with ${Code[code]}, without SubmitWorkflow`, async () => {
      stack().upstream.rpcs.consumeQuota = () => {
        throw new ConnectError("no", code);
      };
      const calls = await callsDuring(stack().upstream, async () => {
        assert.equal((await submit()).status, status);
      });
      assert.ok(!calls.some(({ rpc }) => rpc === "SubmitWorkflow"));
    });
  }
});
