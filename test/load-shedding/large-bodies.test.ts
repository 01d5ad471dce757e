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
    /** Asks for a body of a key to be held, and resolves to its response once everybody has had a turn. */
    async function ask(key: string) {
      const res = responseOf();
      void bodies.acquire(res, key).then(() => held.push(key));
      await nextTurn();
      return res;
    }
    return { shares, bodies, responseOf, held, ask };
  }

  /** What Node does when a response is sent or its client has gone. */
  async function end(res: ServerResponse) {
    res.destroy();
    await nextTurn();
  }

  it(`holds ${maxLargeBodies} at the same time, ${most} of a key, and the next where one ends`, async () => {
    const { held, ask } = setUp();
    const first = await ask("a");
    for (let i = 0; i < 2 * maxLargeBodies; i++) await ask("a");
    assert.deepEqual(
      held,
      Array.from({ length: most }, () => "a"),
    );
    for (const key of ["b", "c", "d"]) for (let i = 0; i < most; i++) await ask(key);
    assert.equal(held.length, maxLargeBodies);
    await ask("e");
    assert.equal(held.length, maxLargeBodies);
    await end(first);
    assert.deepEqual([held.length, held.at(-1)], [maxLargeBodies + 1, "e"]);
  });

  it("holds nothing for a client that has left while it waited", async () => {
    const { shares, held, ask } = setUp();
    const all = [];
    for (let i = 0; i < most; i++) all.push(await ask("a"));
    const left = await ask("a");
    const next = await ask("a");
    await end(left);
    assert.equal(held.length, most);
    await end(all[0] ?? assert.fail());
    assert.equal(held.length, most + 2);
    for (const res of [...all, next]) await end(res);
    assert.equal(shares.size, 0);
  });

  it("lets one be parsed at a time, until that is over or its response ends", async () => {
    const { bodies, responseOf } = setUp();
    const came: number[] = [];
    const ends: (() => void)[] = [];
    const responses = [0, 1, 2, 3].map(responseOf);
    responses.forEach(
      (res, i) =>
        void bodies.acquireParser(res).then((endParsed) => {
          came.push(i);
          ends.push(endParsed);
        }),
    );
    await nextTurn();
    assert.deepEqual(came, [0]);
    ends[0]?.();
    ends[0]?.();
    await nextTurn();
    assert.deepEqual(came, [0, 1]);
    for (const res of [responses[0], responses[2], responses[1]]) await end(res ?? assert.fail());
    assert.deepEqual(came, [0, 1, 2, 3]);
  });
});

describe("large uploads", () => {
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

  /** Sends the head of a submission whose body is sent when the gateway asks for it. */
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

  it("of one key wait unread for its own, and those of another are served", async () => {
    const mine = Array.from({ length: most + 2 }, () => announce("mine"));
    const asked = new Set<ClientRequest>();
    const { resolve, promise } = deferred();
    for (const each of mine) {
      each.once("continue", () => {
        asked.add(each);
        if (asked.size === most) resolve();
      });
    }
    await promise;
    const other = announce("other");
    await once(other, "continue");
    other.end(json);
    const [answer] = (await once(other, "response")) as [IncomingMessage];
    assert.equal(answer.statusCode, 201);
    // Whatever was asked for until then has arrived: the other one came last.
    assert.equal(asked.size, most);

    const [leaving, finishing] = asked;
    const waiting = mine.filter((each) => !asked.has(each));
    leaving?.destroy();
    finishing?.end(json);
    await Promise.all(waiting.map(async (each) => asked.has(each) || (await once(each, "continue"))));
    for (const each of mine) {
      if (each === leaving || each === finishing) continue;
      each.end(json);
      const [own] = (await once(each, "response")) as [IncomingMessage];
      assert.equal(own.statusCode, 201);
    }
  });

  it("that ask for a ranking let those of others be parsed meanwhile", async () => {
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

  it("in chunks, whose length is seen late, wait as well", async () => {
    const mine = Array.from({ length: most }, () => announce("mine"));
    await Promise.all(mine.map((each) => once(each, "continue")));
    const answered: string[] = [];
    const inChunks = stack()
      .gateway.fetch("/v1/workflows", {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        token: "mine",
        body: new Blob([json]).stream(),
        duplex: "half",
      })
      .then(({ status }) => answered.push(`in chunks ${status}`));
    for (const key of ["other", "another"]) {
      const each = announce(key);
      await once(each, "continue");
      each.end(json);
      const [answer] = (await once(each, "response")) as [IncomingMessage];
      answered.push(`${key} ${answer.statusCode}`);
    }
    for (const each of mine) each.destroy();
    await inChunks;
    assert.deepEqual(answered, ["other 201", "another 201", "in chunks 201"]);
  });
});
