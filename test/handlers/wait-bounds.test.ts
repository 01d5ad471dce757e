import assert from "node:assert/strict";
import { Code, ConnectError } from "@connectrpc/connect";
import { runWorkflow } from "../support/running-workflow.ts";
import { runningJson } from "../support/samples.ts";
import { startDisposableStack } from "../support/stack.ts";

const path = "/v1/workflows/w1";
const waiting = { headers: { Prefer: "wait=30" } };

describe("GET /v1/workflows/{id} with Prefer: wait, limits", () => {
  it("does not count as a request in flight", async () => {
    await using stack = await startDisposableStack({}, { MAX_REQUESTS_IN_FLIGHT: "1" });
    const { followed, end } = runWorkflow(stack.upstream);
    const response = stack.gateway.fetch(path, waiting);
    await followed;
    assert.equal((await stack.gateway.fetch(path)).status, 200);
    end();
    assert.equal((await response).status, 200);
    assert.equal((await stack.gateway.fetch(path)).status, 200);
  });

  it("counts as an event stream until it ends", async () => {
    await using stack = await startDisposableStack({}, { MAX_EVENT_STREAMS: "1" });
    const { followed, end } = runWorkflow(stack.upstream);
    const response = stack.gateway.fetch(path, waiting);
    await followed;
    const rejected = await stack.gateway.fetch(path, waiting);
    assert.deepEqual([rejected.status, rejected.headers.get("retry-after")], [503, "2"]);
    end();
    assert.equal((await response).status, 200);
    const next = runWorkflow(stack.upstream);
    const free = stack.gateway.fetch(path, waiting);
    await next.followed;
    next.end();
    assert.equal((await free).status, 200);
  });

  it("responds early when the gateway drains", async () => {
    await using stack = await startDisposableStack({}, { SHUTDOWN_GRACE_SECONDS: "60" });
    const { followed } = runWorkflow(stack.upstream);
    const response = stack.gateway.fetch(path, waiting);
    await followed;
    const stopped = stack.gateway.drain();
    assert.equal((await response).status, 200);
    assert.deepEqual(await (await response).json(), runningJson);
    await stopped;
  });

  for (const [what, lookup, status] of [
    ["is revoked", { allowed: false, denyReason: "revoked" }, 401],
    ["belongs to another principal", { allowed: true, principal: "bob" }, 401],
    ["cannot be looked up, and the stale-if-error time is over", undefined, 503],
  ] as const)
    it(`returns ${status} once its key ${what}`, async () => {
      let time = 1;
      let isRevoked = false;
      await using stack = await startDisposableStack(
        {
          authenticateApiKey() {
            if (!isRevoked) return { allowed: true, principal: "alice" };
            if (lookup === undefined) throw new ConnectError("down", Code.Unavailable);
            return lookup;
          },
        },
        { API_KEYS_ENABLED: "true", AUTH_CACHE_STALE_IF_ERROR_SECONDS: "0" },
        { now: () => time, streamIntervals: { checkMs: 5, heartbeatMs: 1000 } },
      );
      const { followed } = runWorkflow(stack.upstream);
      const response = stack.gateway.fetch(path, { ...waiting, token: "key" });
      await followed;
      isRevoked = true;
      time += 31_000;
      assert.equal((await response).status, status);
    });
});
