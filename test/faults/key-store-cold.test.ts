import assert from "node:assert/strict";
import diagnostics from "node:diagnostics_channel";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { Code, ConnectError } from "@connectrpc/connect";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import { suite } from "../support/gateway.ts";
import { hang } from "../support/hang.ts";
import { sendPath } from "../support/raw-http.ts";
import { sha256, workflowIn } from "../support/samples.ts";
import { deferred, startStack } from "../support/stack.ts";

const crowd = 1000;

/** Resolves when `count` requests have reached the server at `url` and entered the pipeline. */
async function arrivals(url: string, count: number): Promise<void> {
  const all = deferred();
  let arrived = 0;
  function countArrival(message: unknown) {
    const { server } = message as { server: Server };
    if (String((server.address() as AddressInfo).port) !== new URL(url).port) return;
    arrived += 1;
    if (arrived === count) all.resolve();
  }
  diagnostics.subscribe("http.server.request.start", countArrival);
  await all.promise;
  diagnostics.unsubscribe("http.server.request.start", countArrival);
}

describe(`${crowd} concurrent requests, each on its own connection`, () => {
  const stack = suite(() =>
    startStack(
      { getWorkflow: () => workflowIn(JobState.RUNNING) },
      {
        API_KEYS_ENABLED: "true",
        // More than the adaptive limit falls to, and longer than a full listen backlog delays connections.
        MAX_REQUESTS_IN_FLIGHT: String(20 * crowd),
        MAX_SHARE_PER_KEY: "1",
        ORCHESTRATOR_RPC_TIMEOUT_SECONDS: "300",
      },
    ),
  );

  /** The statuses of the requests, whose lookup ends after all have arrived, and the hashes looked up. */
  async function fetchAll(token: string, status: () => { allowed: boolean; principal?: string }) {
    const { gateway, upstream } = stack();
    const release = deferred();
    const hashes: string[] = [];
    upstream.rpcs.authenticateApiKey = async ({ keyHash }) => {
      hashes.push(keyHash);
      await release.promise;
      return status();
    };
    const allArrived = arrivals(gateway.url, crowd);
    const headers = { Authorization: `Bearer ${token}` };
    const responses = Array.from({ length: crowd }, () =>
      sendPath(gateway.url, "/v1/workflows/w1", { headers }),
    );
    await allArrived;
    release.resolve();
    const statuses = (await Promise.all(responses)).map(({ status }) => status);
    assert.equal(statuses.length, crowd);
    return { statuses: [...new Set(statuses)], hashes };
  }

  it("make one lookup of an allowed key that is not cached", async () => {
    const outcome = await fetchAll("cold-key", () => ({ allowed: true, principal: "alice" }));
    assert.deepEqual(outcome, { statuses: [200], hashes: [sha256("cold-key")] });
  });

  it("make one lookup of an unknown key", async () => {
    const outcome = await fetchAll("unknown-key", () => ({ allowed: false }));
    assert.deepEqual(outcome, { statuses: [401], hashes: [sha256("unknown-key")] });
  });

  it("make one lookup that fails", async () => {
    const outcome = await fetchAll("failing-key", () => {
      throw new ConnectError("down", Code.Unavailable);
    });
    assert.deepEqual(outcome, { statuses: [503], hashes: [sha256("failing-key")] });
  });
});

describe("unknown keys whose clients disconnect while the key store is slow", () => {
  const stack = suite(() => startStack({}, { API_KEYS_ENABLED: "true" }));

  it("have at most a hundred lookups in progress", async () => {
    const { gateway, upstream } = stack();
    let lookups = 0;
    const allStarted = deferred();
    const { cancelled } = hang(upstream, "authenticateApiKey", () => {
      lookups += 1;
      if (lookups === 101) allStarted.resolve();
    });
    const controller = new AbortController();
    const responses = Array.from({ length: 101 }, (_, i) =>
      gateway.fetch("/v1/workflows/w1", { token: `unknown-${i}`, signal: controller.signal }),
    );
    await allStarted.promise;
    controller.abort();
    await Promise.allSettled(responses);
    await cancelled;
  });
});
