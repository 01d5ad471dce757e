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

/** Resolves when `count` requests have reached the server at `url`, each on its way through the pipeline. */
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

describe(`${crowd} requests at once, each on a connection of its own`, () => {
  const stack = suite(() =>
    startStack(
      { getWorkflow: () => workflowIn(JobState.RUNNING) },
      { API_KEYS_ENABLED: "true", MAX_REQUESTS_IN_FLIGHT: String(2 * crowd), MAX_SHARE_PER_KEY: "1" },
    ),
  );

  /** Their statuses, when the lookups are answered only after every request has come, and how many there were. */
  async function askTogether(token: string, answer: () => { allowed: boolean; principal?: string }) {
    const { gateway, upstream } = stack();
    const release = deferred();
    const hashes: string[] = [];
    upstream.rpcs.authenticateApiKey = async ({ keyHash }) => {
      hashes.push(keyHash);
      await release.promise;
      return answer();
    };
    const allArrived = arrivals(gateway.url, crowd);
    const headers = { Authorization: `Bearer ${token}` };
    const answers = Array.from({ length: crowd }, () =>
      sendPath(gateway.url, "/v1/workflows/w1", { headers }),
    );
    await allArrived;
    release.resolve();
    const statuses = (await Promise.all(answers)).map(({ status }) => status);
    assert.equal(statuses.length, crowd);
    return { statuses: [...new Set(statuses)], hashes };
  }

  it("bring one lookup of a good key that nobody has used before", async () => {
    const outcome = await askTogether("cold-key", () => ({ allowed: true, principal: "alice" }));
    assert.deepEqual(outcome, { statuses: [200], hashes: [sha256("cold-key")] });
  });

  it("bring one lookup of a junk key", async () => {
    const outcome = await askTogether("junk-key", () => ({ allowed: false }));
    assert.deepEqual(outcome, { statuses: [401], hashes: [sha256("junk-key")] });
  });

  it("bring one lookup of a key that cannot be looked up", async () => {
    const outcome = await askTogether("key-in-the-dark", () => {
      throw new ConnectError("down", Code.Unavailable);
    });
    assert.deepEqual(outcome, { statuses: [503], hashes: [sha256("key-in-the-dark")] });
  });
});

describe("junk keys whose clients leave, before a key store that says nothing", () => {
  const stack = suite(() => startStack({}, { API_KEYS_ENABLED: "true" }));

  it("hold no more lookups at the orchestrator than a hundred", async () => {
    const { gateway, upstream } = stack();
    let lookups = 0;
    const allBegun = deferred();
    const { cancelled } = hang(upstream, "authenticateApiKey", () => {
      lookups += 1;
      if (lookups === 101) allBegun.resolve();
    });
    const leaving = new AbortController();
    const answers = Array.from({ length: 101 }, (_, i) =>
      gateway.fetch("/v1/workflows/w1", { token: `junk-${i}`, signal: leaving.signal }),
    );
    await allBegun.promise;
    leaving.abort();
    await Promise.allSettled(answers);
    await cancelled;
  });
});
