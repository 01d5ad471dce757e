import assert from "node:assert/strict";
import { once } from "node:events";
import { IncomingMessage, request, ServerResponse } from "node:http";
import type { ClientRequest } from "node:http";
import { Socket } from "node:net";
import { setImmediate as nextTurn } from "node:timers/promises";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import { KeyShares } from "../../src/load-shedding/key-shares.ts";
import { LargeBodies, maxLargeBodies } from "../../src/load-shedding/large-bodies.ts";
import { suite } from "../support/gateway.ts";
import { oneStep, workflowIn } from "../support/samples.ts";
import { deferred, startStack } from "../support/stack.ts";

const share = 0.25;
const most = share * maxLargeBodies;
const large = 64 * 1024 + 1;

describe("LargeBodies", () => {
  function setUp() {
    const options = { of: "requests_with_body", limit: () => maxLargeBodies, share } as const;
    const shares = new KeyShares({ ...options, countOverShare: () => assert.fail() });
    const bodies = new LargeBodies(shares);
    const responseOf = () => new ServerResponse(new IncomingMessage(new Socket()));
    const held: string[] = [];
    /** Acquires a body for a key; resolves to its response after a turn of the event loop. */
    async function acquire(key: string) {
      const res = responseOf();
      void bodies.acquire(res, key).then(() => held.push(key));
      await nextTurn();
      return res;
    }
    return { shares, bodies, responseOf, held, acquire };
  }

  /** Does what Node does when a response is sent or its client has disconnected. */
  async function end(res: ServerResponse) {
    res.destroy();
    await nextTurn();
  }

  it(`grants ${maxLargeBodies} at the same time, ${most} to one key, and the next when one ends`, async () => {
    const { held, acquire } = setUp();
    const first = await acquire("a");
    for (let i = 0; i < 2 * maxLargeBodies; i++) await acquire("a");
    assert.deepEqual(
      held,
      Array.from({ length: most }, () => "a"),
    );
    for (const key of ["b", "c", "d"]) for (let i = 0; i < most; i++) await acquire(key);
    assert.equal(held.length, maxLargeBodies);
    await acquire("e");
    assert.equal(held.length, maxLargeBodies);
    await end(first);
    assert.deepEqual([held.length, held.at(-1)], [maxLargeBodies + 1, "e"]);
  });

  it("keeps no permit for a client that disconnects while it waits", async () => {
    const { shares, held, acquire } = setUp();
    const all = [];
    for (let i = 0; i < most; i++) all.push(await acquire("a"));
    const left = await acquire("a");
    const next = await acquire("a");
    await end(left);
    assert.equal(held.length, most);
    await end(all[0] ?? assert.fail());
    assert.equal(held.length, most + 2);
    for (const res of [...all, next]) await end(res);
    assert.equal(shares.size, 0);
  });

  it("grants the parser to one at a time, until it is released or the response ends", async () => {
    const { bodies, responseOf } = setUp();
    const acquired: number[] = [];
    const releases: (() => void)[] = [];
    const responses = [0, 1, 2, 3].map(responseOf);
    responses.forEach(
      (res, i) =>
        void bodies.acquireParser(res).then((release) => {
          acquired.push(i);
          releases.push(release);
        }),
    );
    await nextTurn();
    assert.deepEqual(acquired, [0]);
    releases[0]?.();
    releases[0]?.();
    await nextTurn();
    assert.deepEqual(acquired, [0, 1]);
    for (const res of [responses[0], responses[2], responses[1]]) await end(res ?? assert.fail());
    assert.deepEqual(acquired, [0, 1, 2, 3]);
  });
});

describe("a large body", () => {
  const ranking = deferred();
  const ranked = deferred();
  const stack = suite(() =>
    startStack(
      {
        authenticateApiKey: () => ({ allowed: true, principal: "alice" }),
        consumeQuota: () => ({ allowed: true }),
        submitWorkflow: () => workflowIn(JobState.QUEUED),
        async rankDesigns() {
          ranking.resolve();
          await ranked.promise;
          return {};
        },
      },
      { API_KEYS_ENABLED: "true", MAX_SHARE_PER_KEY: String(share) },
    ),
  );
  const json = JSON.stringify(oneStep).padEnd(large, " ");

  /** Sends the headers of a submission whose body follows the gateway's 100 response. */
  function announce(key: string): ClientRequest {
    const { hostname, port } = new URL(stack().gateway.url);
    const headers = {
      Authorization: `Bearer ${key}`,
      "Content-Type": "application/json",
      "Content-Length": large,
      Expect: "100-continue",
    };
    const outgoing = request({
      hostname,
      port,
      path: "/v1/workflows",
      method: "POST",
      agent: false,
      headers,
    });
    outgoing.flushHeaders();
    return outgoing.on("error", () => undefined);
  }

  it("waits unread for others of its key, while those of another key are served", async () => {
    const mine = Array.from({ length: most + 2 }, () => announce("mine"));
    const continued = new Set<ClientRequest>();
    const { resolve, promise } = deferred();
    for (const each of mine) {
      each.once("continue", () => {
        continued.add(each);
        if (continued.size === most) resolve();
      });
    }
    await promise;
    const other = announce("other");
    await once(other, "continue");
    other.end(json);
    const [response] = (await once(other, "response")) as [IncomingMessage];
    assert.equal(response.statusCode, 201);
    // All earlier 100 responses have arrived: that to the other key was the last.
    assert.equal(continued.size, most);

    const [leaving, finishing] = continued;
    const waiting = mine.filter((each) => !continued.has(each));
    leaving?.destroy();
    finishing?.end(json);
    await Promise.all(waiting.map(async (each) => continued.has(each) || (await once(each, "continue"))));
    for (const each of mine) {
      if (each === leaving || each === finishing) continue;
      each.end(json);
      const [own] = (await once(each, "response")) as [IncomingMessage];
      assert.equal(own.statusCode, 201);
    }
  });

  it("is parsed while the ranking of another waits for the orchestrator", async () => {
    const send = (path: string, text: string, token: string) =>
      stack().gateway.fetch(path, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        token,
        body: text.padEnd(large, " "),
      });
    const slow = send("/v1/workflows/w1/rank", '{"metric":"plddt"}', "mine");
    await ranking.promise;
    assert.equal((await send("/v1/workflows", json, "other")).status, 201);
    ranked.resolve();
    assert.equal((await slow).status, 200);
  });

  it("waits, too, when it is chunked and its length is seen late", async () => {
    const mine = Array.from({ length: most }, () => announce("mine"));
    await Promise.all(mine.map((each) => once(each, "continue")));
    const responses: string[] = [];
    const inChunks = stack()
      .gateway.fetch("/v1/workflows", {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        token: "mine",
        body: new Blob([json]).stream(),
        duplex: "half",
      })
      .then(({ status }) => responses.push(`in chunks ${status}`));
    for (const key of ["other", "another"]) {
      const each = announce(key);
      await once(each, "continue");
      each.end(json);
      const [response] = (await once(each, "response")) as [IncomingMessage];
      responses.push(`${key} ${response.statusCode}`);
    }
    for (const each of mine) each.destroy();
    await inChunks;
    assert.deepEqual(responses, ["other 201", "another 201", "in chunks 201"]);
  });
});
