import assert from "node:assert/strict";
import { EventEmitter, once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createConnection } from "node:net";
import type { Socket } from "node:net";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import { KeyShares } from "../../src/load-shedding/key-shares.ts";
import { createLoadShedding } from "../../src/load-shedding/load-shedding.ts";
import { errorResponse } from "../../src/errors/error-response.ts";
import { createLogger } from "../../src/telemetry/logger.ts";
import { createMetrics } from "../../src/telemetry/metrics.ts";
import { readEvents } from "../support/event-reader.ts";
import { adminToken, suite } from "../support/gateway.ts";
import { wholeShares } from "../support/key-shares.ts";
import { increasesDuring, scrape } from "../support/metrics.ts";
import { sendText } from "../support/raw-http.ts";
import { jsonPost, oneStep, workflowEvent, workflowIn } from "../support/samples.ts";
import { serve } from "../support/serve.ts";
import { whenAborted, deferred, startStack } from "../support/stack.ts";

const path = "/v1/workflows/w1";
const post = `POST /v1/workflows HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${adminToken}\r\nContent-Type: application/json\r\n`;

describe("a gateway that may have two requests in flight", () => {
  const stack = suite(() => startStack({}, { MAX_REQUESTS_IN_FLIGHT: "2" }));
  const get = () => stack().gateway.fetch(path);

  /** Takes a place with a read that is answered when `release` resolves. */
  async function take(release: Promise<void>, leaving?: AbortSignal): Promise<{ answer: Promise<Response> }> {
    const begun = deferred();
    stack().upstream.rpcs.getWorkflow = async () => {
      begun.resolve();
      await release;
      return workflowIn(JobState.RUNNING);
    };
    const answer = stack().gateway.fetch(path, leaving === undefined ? {} : { signal: leaving });
    await begun.promise;
    return { answer };
  }

  /** Takes a place with a submission that is sent as far as its body. */
  async function takeWithBody(): Promise<Socket> {
    const socket = createConnection(Number(new URL(stack().gateway.url).port), "127.0.0.1");
    socket.setEncoding("latin1").write(`${post}Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n`);
    assert.match(String(await once(socket, "data")), /^HTTP\/1\.1 100 /);
    return socket;
  }

  /** Runs `act`, and resolves once the gateway has noticed that `count` clients left meanwhile. */
  async function noticed(count: number, act: () => unknown): Promise<void> {
    const { gateway } = stack();
    const from = gateway.logs.length;
    await act();
    while (gateway.logs.slice(from).filter(({ status }) => status === 499).length < count) {
      await once(gateway.logged, "line");
    }
  }

  /** Runs `act` while both places are taken, for those with a body and for those without. */
  async function whenFull(act: () => Promise<void>): Promise<void> {
    const release = deferred();
    const taken = [await take(release.promise), await take(release.promise)];
    const uploads = [await takeWithBody(), await takeWithBody()];
    await act().finally(release.resolve);
    for (const { answer } of taken) assert.equal((await answer).status, 200);
    await noticed(2, () => uploads.forEach((socket) => socket.destroy()));
  }

  /** Fails unless exactly `count` places are free. */
  async function assertFree(count: number): Promise<void> {
    const release = deferred();
    const taken: Promise<Response>[] = [];
    for (let i = 0; i < count; i++) taken.push((await take(release.promise)).answer);
    assert.equal((await get()).status, 503);
    release.resolve();
    for (const answer of await Promise.all(taken)) assert.equal(answer.status, 200);
  }

  it("refuses the third at once with 503, Retry-After and the one error body, and never passes it on", () =>
    whenFull(async () => {
      const calls = stack().upstream.calls.length;
      const answer = await get();
      assert.equal(answer.status, 503);
      assert.equal(answer.headers.get("retry-after"), "2");
      assert.equal(answer.headers.get("content-type"), "application/json; charset=utf-8");
      assert.deepEqual(await answer.json(), {
        code: "UNAVAILABLE",
        message: "the gateway has more requests than it can serve; try again soon",
        retryable: true,
      });
      assert.equal(stack().upstream.calls.length, calls);
    }));

  it("still answers health and metrics, which do not take places either", async () => {
    const { gateway, upstream } = stack();
    const answer = deferred();
    const probed = deferred();
    upstream.rpcs.listWorkflows = async () => {
      probed.resolve();
      await answer.promise;
      return {};
    };
    const readyz = gateway.fetch("/v1/readyz");
    await probed.promise;
    await assertFree(2);
    answer.resolve();
    await readyz;
    await whenFull(async () => {
      for (const open of ["/v1/healthz", "/v1/readyz", "/metrics"]) {
        assert.equal((await gateway.fetch(open, { token: null })).status, 200, open);
      }
      assert.equal((await gateway.fetch("/v1/healthz?x=1")).status, 400);
      assert.equal((await gateway.fetch("/v1/healthz/x")).status, 503);
    });
  });

  it("counts and logs what it refuses: one warning a second, with their number", async () => {
    const { gateway } = stack();
    const warnings = () => gateway.logs.filter(({ event }) => event === "gateway.shedding");
    const refusedSoFar = () => warnings().reduce((sum, { count }) => sum + Number(count), 0);
    const counted = async () => {
      const text = await (await gateway.fetch("/metrics")).text();
      const line =
        /^foldforge_gateway_http_requests_total\{method="GET",path="\(unmatched\)",status="503"\} (\d+)$/m;
      return Number(line.exec(text)?.[1] ?? 0);
    };
    const before = await counted();
    await whenFull(async () => {
      for (let i = 0; i < 5; i++) await (await get()).text();
    });
    assert.equal(await counted(), before + 5);
    while (refusedSoFar() < before + 5) await once(gateway.logged, "line");
    assert.ok(warnings().length < before + 5);
    assert.equal(refusedSoFar(), before + 5);
    assert.equal(warnings()[0]?.["level"], "warn");
  });

  it("tells how many of each kind are in flight, of how many, and how many of each it has refused", async () => {
    const { url } = stack().gateway;
    const inFlight = async () => {
      const samples = await scrape(url);
      const of = (kind: string) => samples.get(`foldforge_gateway_http_requests_in_flight{kind="${kind}"}`);
      return [of("other"), of("with_body"), of("event_stream")];
    };
    const shed = await increasesDuring(url, "foldforge_gateway_http_requests_shed_total", () =>
      whenFull(async () => {
        assert.deepEqual(await inFlight(), [2, 2, 0]);
        await (await get()).text();
        for (let i = 0; i < 2; i++) await (await stack().gateway.fetch("/v1/workflows", jsonPost({}))).text();
      }),
    );
    assert.deepEqual(shed, { other: 1, with_body: 2 });
    assert.deepEqual(await inFlight(), [0, 0, 0]);
    assert.equal((await scrape(url)).get("foldforge_gateway_http_requests_in_flight_limit"), 2);
  });

  it("gives a place back when its client leaves", async () => {
    const leaving = new AbortController();
    const release = deferred();
    const { answer } = await take(release.promise, leaving.signal);
    await take(release.promise, leaving.signal);
    await noticed(2, async () => {
      leaving.abort();
      await assert.rejects(answer, { name: "AbortError" });
    });
    release.resolve();
    await assertFree(2);
  });

  it("gives a place back when a body cannot be parsed", async () => {
    const uploads = [await takeWithBody(), await takeWithBody()];
    const submit = () => stack().gateway.fetch("/v1/workflows", jsonPost(oneStep));
    assert.equal((await submit()).status, 503);
    for (const socket of uploads) {
      socket.write("no chunk\r\n");
      socket.resume();
      await once(socket, "close");
    }
    stack().upstream.rpcs.submitWorkflow = () => workflowIn(JobState.QUEUED);
    assert.equal((await submit()).status, 201);
  });

  it("keeps as many places apart for those who send a body, and may take long to", async () => {
    const uploads = [await takeWithBody(), await takeWithBody()];
    assert.equal((await stack().gateway.fetch("/v1/workflows", jsonPost(oneStep))).status, 503);
    await assertFree(2);
    await noticed(2, () => uploads.forEach((socket) => socket.destroy()));
  });

  it("does not count an event stream that has begun", async () => {
    stack().upstream.rpcs.streamWorkflowEvents = async function* (_request, context) {
      yield workflowEvent(0n, JobState.RUNNING);
      await whenAborted(context.signal);
    };
    const leaving = new AbortController();
    for (let i = 0; i < 3; i++) {
      const answer = await stack().gateway.fetch(`${path}/events`, { signal: leaving.signal });
      assert.equal(answer.status, 200);
      await readEvents(answer).next();
    }
    await assertFree(2);
    leaving.abort();
    await assertFree(2);
  });

  it("does not count a resume once it is known that the workflow goes on, however long it is quiet", async () => {
    const { gateway, upstream } = stack();
    const begun = Array.from({ length: 6 }, () => deferred());
    const asked = { streams: 0 };
    upstream.rpcs.getWorkflow = () => workflowIn(JobState.RUNNING);
    upstream.rpcs.streamWorkflowEvents = async function* (_request, context) {
      begun[asked.streams++]?.resolve();
      await whenAborted(context.signal);
      yield* [];
    };
    const leaving = new AbortController();
    const init = { headers: { "Last-Event-ID": "7" }, signal: leaving.signal };
    const opened: Promise<Response>[] = [];
    for (const { promise } of begun) {
      const answer = gateway.fetch(`${path}/events`, init);
      opened.push(answer);
      await Promise.race([promise, answer]);
    }
    for (const answer of opened) assert.equal((await answer).status, 200);
    leaving.abort();
    await assertFree(2);
  });

  it("keeps as many places apart for those who ask for an event stream", async () => {
    const { gateway, upstream } = stack();
    const asked = { streams: 0 };
    const leaving = new AbortController();
    const open = () => gateway.fetch(`${path}/events`, { signal: leaving.signal });
    await whenFull(async () => {
      const begun = [deferred(), deferred()];
      upstream.rpcs.streamWorkflowEvents = async function* (_request, { signal }) {
        begun[asked.streams++]?.resolve();
        await whenAborted(signal);
        yield workflowEvent(0n, JobState.RUNNING);
      };
      const opened = begun.map(() => open());
      for (const { promise } of begun) await promise;
      const refused = await open();
      assert.equal(refused.status, 503);
      assert.equal(refused.headers.get("retry-after"), "2");
      leaving.abort();
      for (const answer of opened) await assert.rejects(answer, { name: "AbortError" });
    });
    assert.equal(asked.streams, 2);
    await assertFree(2);
  });

  const refusals = (text: string) => text.match(/HTTP\/1\.1 503 /g)?.length;

  it("keeps the connection of a refused request that came whole", () =>
    whenFull(async () => {
      const whole = `${post}Content-Length: 2\r\n\r\n{}`;
      const last = `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`;
      const text = await sendText(stack().gateway.url, `${whole}${whole}${last}`);
      assert.equal(refusals(text), 3);
      assert.equal(text.match(/^Connection: close\r$/gm)?.length, 1);
    }));

  for (const [what, rest] of [
    ["of which more is to come", `Content-Length: 100\r\n\r\nGET /v1/healthz HTTP/1.1\r\nHost: x\r\n\r\n`],
    [
      "with a transfer coding",
      "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
    ["that waits to be asked for its body", "Content-Length: 2\r\nExpect: 100-continue\r\n\r\n"],
  ])
    it(`closes the connection of a refused request ${what}`, () =>
      whenFull(async () => {
        const text = await sendText(stack().gateway.url, `${post}${rest}`);
        assert.match(text, /^Connection: close\r$/m);
        assert.equal(refusals(text), 1);
      }));
});

describe("createShedding", () => {
  /** A server of requests whose key is in a header, which go on until `release`, and the shares that it has. */
  async function serveKeys(acquireWhen: (res: ServerResponse) => Promise<unknown>) {
    const shares = new Map<string, KeyShares>();
    const release = deferred();
    const { shed, acquireShare } = createLoadShedding({
      maxInFlight: 8,
      exempt: ["/open"],
      streams: ["/workflows/{id}/events"],
      sharesOf(of, limit) {
        const own = new KeyShares({ of, limit, share: 0.25, countOverShare: () => undefined });
        shares.set(of, own);
        return own;
      },
      logger: createLogger({ write: () => undefined }),
      metrics: createMetrics(),
    });
    const begun = new EventEmitter();
    async function serveOne(req: IncomingMessage, res: ServerResponse) {
      begun.emit("arrived");
      await acquireWhen(res);
      try {
        acquireShare(res, req.headers["key"]?.toString());
      } catch (error) {
        return void res.writeHead(errorResponse(error, { safeToRepeat: false }).status).end();
      } finally {
        begun.emit("begun");
      }
      await release.promise;
      res.end();
    }
    const server = await serve(shed((req, res) => void serveOne(req, res)));
    return { url: server.url, shares, release: release.resolve, begun, close: () => server.close(0) };
  }

  for (const [of, path, init] of [
    ["requests_event_stream", "/workflows/w1/events", {}],
    ["requests_with_body", "/workflows", { method: "POST", body: "{}" }],
    ["requests_other", "/workflows", {}],
  ] as const)
    it(`lets a key have its share of ${of}, apart from the other kinds, and has it back when they are answered`, async () => {
      const { url, shares, release, begun, close } = await serveKeys(() => Promise.resolve());
      const ask = (key: string, to: string = path) => fetch(url + to, { ...init, headers: { key } });
      const held: Promise<Response>[] = [];
      for (const key of ["greedy", "greedy", "modest", "modest"]) {
        const hasBegun = once(begun, "begun");
        held.push(ask(key));
        await hasBegun;
      }
      for (const key of ["greedy", "modest"]) assert.equal((await ask(key)).status, 429);
      assert.deepEqual(
        [...shares].map(([name, { size: keys }]) => [name, keys]),
        ["requests_event_stream", "requests_with_body", "requests_other"].map((name) => [
          name,
          name === of ? 2 : 0,
        ]),
      );
      // What takes no place takes nothing of a share either.
      release();
      assert.equal((await ask("greedy", "/open")).status, 200);
      for (const answer of held) assert.equal((await answer).status, 200);
      assert.deepEqual(
        [...shares.values()].map(({ size: keys }) => keys),
        [0, 0, 0],
      );
      await close();
    });

  it("acquires nothing for a client that has left meanwhile", async () => {
    const { url, shares, begun, close } = await serveKeys((res) => once(res, "close"));
    const leaving = new AbortController();
    const arrived = once(begun, "arrived");
    const hasBegun = once(begun, "begun");
    const answer = fetch(url, { headers: { key: "gone" }, signal: leaving.signal });
    await arrived;
    leaving.abort();
    await assert.rejects(answer, { name: "AbortError" });
    await hasBegun;
    assert.equal(shares.get("requests_other")?.size, 0);
    await close();
  });

  it("refuses sooner while requests keep the process from its event loop", async () => {
    let begun = deferred();
    const limits: (() => number)[] = [];
    const { shed, limit } = createLoadShedding({
      maxInFlight: 80,
      exempt: [],
      streams: [],
      sharesOf(of, limit) {
        limits.push(limit);
        return wholeShares(of);
      },
      logger: createLogger({ write: () => undefined }),
      metrics: createMetrics(),
    });
    const busy = shed(function work() {
      for (const begin = performance.now(); performance.now() - begin < 30;);
      begun.resolve();
    });
    const server = await serve(busy);
    let refusal: Response | undefined;
    let served = 0;
    for (; refusal === undefined && served < 80; served++) {
      begun = deferred();
      const answer = fetch(server.url);
      answer.catch(() => undefined);
      refusal = await Promise.race([answer, begun.promise.then(() => undefined)]);
    }
    assert.equal(refusal?.status, 503);
    assert.ok(served < 75, `${served} were served`);
    // Shares are of the limit that is in force.
    assert.ok(limit() < 80);
    assert.deepEqual(
      limits.map((it) => it()),
      [limit(), limit(), limit()],
    );
    await server.close(0);
  });
});
