import assert from "node:assert/strict";
import { EventEmitter, once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createConnection } from "node:net";
import type { Socket } from "node:net";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import { KeyShares } from "../../src/load-shedding/key-shares.ts";
import { createLoadShedding } from "../../src/load-shedding/load-shedding.ts";
import type { Permit } from "../../src/load-shedding/load-shedding.ts";
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

describe("a gateway with MAX_REQUESTS_IN_FLIGHT=2", () => {
  const stack = suite(() => startStack({}, { MAX_REQUESTS_IN_FLIGHT: "2" }));
  const get = () => stack().gateway.fetch(path);

  /** Sends a read, which is in flight until `release` resolves. */
  async function acquire(
    release: Promise<void>,
    signal?: AbortSignal,
  ): Promise<{ response: Promise<Response> }> {
    const started = deferred();
    stack().upstream.rpcs.getWorkflow = async () => {
      started.resolve();
      await release;
      return workflowIn(JobState.RUNNING);
    };
    const response = stack().gateway.fetch(path, signal === undefined ? {} : { signal });
    await started.promise;
    return { response };
  }

  /** Sends a submission without its body, which is in flight. */
  async function acquireWithBody(): Promise<Socket> {
    const socket = createConnection(Number(new URL(stack().gateway.url).port), "127.0.0.1");
    socket.setEncoding("latin1").write(`${post}Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n`);
    assert.match(String(await once(socket, "data")), /^HTTP\/1\.1 100 /);
    return socket;
  }

  /** Runs `act`; resolves when the gateway has noticed that `count` clients have disconnected. */
  async function noticed(count: number, act: () => unknown): Promise<void> {
    const { gateway } = stack();
    const from = gateway.logs.length;
    await act();
    while (gateway.logs.slice(from).filter(({ status }) => status === 499).length < count) {
      await once(gateway.logged, "line");
    }
  }

  /** Runs `act` while all permits of requests with a body and of others are held. */
  async function whenFull(act: () => Promise<void>): Promise<void> {
    const release = deferred();
    const held = [await acquire(release.promise), await acquire(release.promise)];
    const uploads = [await acquireWithBody(), await acquireWithBody()];
    await act().finally(release.resolve);
    for (const { response } of held) assert.equal((await response).status, 200);
    await noticed(2, () => uploads.forEach((socket) => socket.destroy()));
  }

  /** Fails unless exactly `count` permits are free. */
  async function assertFreePermits(count: number): Promise<void> {
    const release = deferred();
    const held: Promise<Response>[] = [];
    for (let i = 0; i < count; i++) held.push((await acquire(release.promise)).response);
    assert.equal((await get()).status, 503);
    release.resolve();
    for (const response of await Promise.all(held)) assert.equal(response.status, 200);
  }

  it("rejects the third request at once with 503, Retry-After and the error body, without a call", () =>
    whenFull(async () => {
      const calls = stack().upstream.calls.length;
      const response = await get();
      assert.equal(response.status, 503);
      assert.equal(response.headers.get("retry-after"), "2");
      assert.equal(response.headers.get("content-type"), "application/json; charset=utf-8");
      assert.deepEqual(await response.json(), {
        code: "UNAVAILABLE",
        message: "the gateway has more requests than it can serve; try again soon",
        retryable: true,
      });
      assert.equal(stack().upstream.calls.length, calls);
    }));

  it("always serves health and metrics, which need no permit", async () => {
    const { gateway, upstream } = stack();
    const response = deferred();
    const probed = deferred();
    upstream.rpcs.listWorkflows = async () => {
      probed.resolve();
      await response.promise;
      return {};
    };
    const readyz = gateway.fetch("/v1/readyz");
    await probed.promise;
    await assertFreePermits(2);
    response.resolve();
    await readyz;
    await whenFull(async () => {
      for (const open of ["/v1/healthz", "/v1/readyz", "/metrics"]) {
        assert.equal((await gateway.fetch(open, { token: null })).status, 200, open);
      }
      assert.equal((await gateway.fetch("/v1/healthz?x=1")).status, 400);
      assert.equal((await gateway.fetch("/v1/healthz/x")).status, 503);
    });
  });

  it("counts rejected requests, and logs their number at most once a second", async () => {
    const { gateway } = stack();
    const warnings = () => gateway.logs.filter(({ event }) => event === "requests.shed");
    const rejectedSoFar = () => warnings().reduce((sum, { count }) => sum + Number(count), 0);
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
    while (rejectedSoFar() < before + 5) await once(gateway.logged, "line");
    assert.ok(warnings().length < before + 5);
    assert.equal(rejectedSoFar(), before + 5);
    assert.equal(warnings()[0]?.["level"], "warn");
  });

  it("reports the requests in flight of each kind, their limit and the rejected ones", async () => {
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

  it("releases the permit of a client that disconnects", async () => {
    const controller = new AbortController();
    const release = deferred();
    const { response } = await acquire(release.promise, controller.signal);
    await acquire(release.promise, controller.signal);
    await noticed(2, async () => {
      controller.abort();
      await assert.rejects(response, { name: "AbortError" });
    });
    release.resolve();
    await assertFreePermits(2);
  });

  it("releases the permit of a request whose body cannot be parsed", async () => {
    const uploads = [await acquireWithBody(), await acquireWithBody()];
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

  it("has a separate limit for requests with a body, which may take long to arrive", async () => {
    const uploads = [await acquireWithBody(), await acquireWithBody()];
    assert.equal((await stack().gateway.fetch("/v1/workflows", jsonPost(oneStep))).status, 503);
    await assertFreePermits(2);
    await noticed(2, () => uploads.forEach((socket) => socket.destroy()));
  });

  it("does not count an event stream that has started", async () => {
    stack().upstream.rpcs.streamWorkflowEvents = async function* (_request, context) {
      yield workflowEvent(0n, JobState.RUNNING);
      await whenAborted(context.signal);
    };
    const controller = new AbortController();
    for (let i = 0; i < 3; i++) {
      const response = await stack().gateway.fetch(`${path}/events`, { signal: controller.signal });
      assert.equal(response.status, 200);
      await readEvents(response).next();
    }
    await assertFreePermits(2);
    controller.abort();
    await assertFreePermits(2);
  });

  it("does not count a resumed stream once the workflow is known to be running, without events", async () => {
    const { gateway, upstream } = stack();
    const started = Array.from({ length: 6 }, () => deferred());
    const calls = { streams: 0 };
    upstream.rpcs.getWorkflow = () => workflowIn(JobState.RUNNING);
    upstream.rpcs.streamWorkflowEvents = async function* (_request, context) {
      started[calls.streams++]?.resolve();
      await whenAborted(context.signal);
      yield* [];
    };
    const controller = new AbortController();
    const init = { headers: { "Last-Event-ID": "7" }, signal: controller.signal };
    const opened: Promise<Response>[] = [];
    for (const { promise } of started) {
      const response = gateway.fetch(`${path}/events`, init);
      opened.push(response);
      await Promise.race([promise, response]);
    }
    for (const response of opened) assert.equal((await response).status, 200);
    controller.abort();
    await assertFreePermits(2);
  });

  it("has a separate limit for event streams", async () => {
    const { gateway, upstream } = stack();
    const calls = { streams: 0 };
    const controller = new AbortController();
    const open = () => gateway.fetch(`${path}/events`, { signal: controller.signal });
    await whenFull(async () => {
      const started = [deferred(), deferred()];
      upstream.rpcs.streamWorkflowEvents = async function* (_request, { signal }) {
        started[calls.streams++]?.resolve();
        await whenAborted(signal);
        yield workflowEvent(0n, JobState.RUNNING);
      };
      const opened = started.map(() => open());
      for (const { promise } of started) await promise;
      const rejected = await open();
      assert.equal(rejected.status, 503);
      assert.equal(rejected.headers.get("retry-after"), "2");
      controller.abort();
      for (const response of opened) await assert.rejects(response, { name: "AbortError" });
    });
    assert.equal(calls.streams, 2);
    await assertFreePermits(2);
  });

  const rejections = (text: string) => text.match(/HTTP\/1\.1 503 /g)?.length;

  it("keeps the connection of a rejected request that arrived completely", () =>
    whenFull(async () => {
      const whole = `${post}Content-Length: 2\r\n\r\n{}`;
      const last = `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`;
      const text = await sendText(stack().gateway.url, `${whole}${whole}${last}`);
      assert.equal(rejections(text), 3);
      assert.equal(text.match(/^Connection: close\r$/gm)?.length, 1);
    }));

  for (const [what, rest] of [
    ["whose body is incomplete", `Content-Length: 100\r\n\r\nGET /v1/healthz HTTP/1.1\r\nHost: x\r\n\r\n`],
    [
      "with a transfer coding",
      "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
    ["that expects 100 Continue", "Content-Length: 2\r\nExpect: 100-continue\r\n\r\n"],
  ])
    it(`closes the connection of a rejected request ${what}`, () =>
      whenFull(async () => {
        const text = await sendText(stack().gateway.url, `${post}${rest}`);
        assert.match(text, /^Connection: close\r$/m);
        assert.equal(rejections(text), 1);
      }));
});

describe("createLoadShedding", () => {
  function kindOf({ method, url = "" }: IncomingMessage) {
    if (url === "/open") return undefined;
    if (url.endsWith("/events")) return "event_stream";
    return method === "POST" ? "with_body" : "other";
  }

  /** A server of requests with their key in a header, which are in flight until `release`, and its key shares. */
  async function serveKeys(acquireWhen: (res: ServerResponse) => Promise<unknown>) {
    const shares = new Map<string, KeyShares>();
    const release = deferred();
    const { shed } = createLoadShedding({
      maxInFlight: 8,
      createKeyShares(of, limit) {
        const own = new KeyShares({ of, limit, share: 0.25, countOverShare: () => undefined });
        shares.set(of, own);
        return own;
      },
      logger: createLogger({ write: () => undefined }),
      metrics: createMetrics(),
    });
    const started = new EventEmitter();
    async function serveOne(req: IncomingMessage, res: ServerResponse, permit?: Permit) {
      started.emit("arrived");
      await acquireWhen(res);
      try {
        permit?.acquireShare(req.headers["key"]?.toString());
      } catch (error) {
        return void res.writeHead(errorResponse(error, { isIdempotent: false }).status).end();
      } finally {
        started.emit("started");
      }
      await release.promise;
      res.end();
    }
    const server = await serve((req, res) =>
      shed(req, res, kindOf(req), (permit) => void serveOne(req, res, permit)),
    );
    return { url: server.url, shares, release: release.resolve, started, close: () => server.close(0) };
  }

  for (const [of, path, init] of [
    ["requests_event_stream", "/workflows/w1/events", {}],
    ["requests_with_body", "/workflows", { method: "POST", body: "{}" }],
    ["requests_other", "/workflows", {}],
  ] as const)
    it(`grants a key its share of ${of}, apart from the other kinds, until the responses start`, async () => {
      const { url, shares, release, started, close } = await serveKeys(() => Promise.resolve());
      const send = (key: string, to: string = path) => fetch(url + to, { ...init, headers: { key } });
      const held: Promise<Response>[] = [];
      for (const key of ["greedy", "greedy", "modest", "modest"]) {
        const hasStarted = once(started, "started");
        held.push(send(key));
        await hasStarted;
      }
      for (const key of ["greedy", "modest"]) assert.equal((await send(key)).status, 429);
      assert.deepEqual(
        [...shares].map(([name, { size: keys }]) => [name, keys]),
        ["requests_event_stream", "requests_with_body", "requests_other"].map((name) => [
          name,
          name === of ? 2 : 0,
        ]),
      );
      // An exempt request does not count against a share either.
      release();
      assert.equal((await send("greedy", "/open")).status, 200);
      for (const response of held) assert.equal((await response).status, 200);
      assert.deepEqual(
        [...shares.values()].map(({ size: keys }) => keys),
        [0, 0, 0],
      );
      await close();
    });

  it("acquires nothing for a client that has disconnected", async () => {
    const { url, shares, started, close } = await serveKeys((res) => once(res, "close"));
    const controller = new AbortController();
    const arrived = once(started, "arrived");
    const hasStarted = once(started, "started");
    const response = fetch(url, { headers: { key: "gone" }, signal: controller.signal });
    await arrived;
    controller.abort();
    await assert.rejects(response, { name: "AbortError" });
    await hasStarted;
    assert.equal(shares.get("requests_other")?.size, 0);
    await close();
  });

  it("lowers the limit while requests block the event loop", async () => {
    let started = deferred();
    const limits: (() => number)[] = [];
    const { shed, limit } = createLoadShedding({
      maxInFlight: 80,
      createKeyShares(of, limit) {
        limits.push(limit);
        return wholeShares(of);
      },
      logger: createLogger({ write: () => undefined }),
      metrics: createMetrics(),
    });
    function work() {
      for (const start = performance.now(); performance.now() - start < 30;);
      started.resolve();
    }
    const server = await serve((req, res) => shed(req, res, "other", work));
    let rejection: Response | undefined;
    let served = 0;
    for (; rejection === undefined && served < 80; served++) {
      started = deferred();
      const response = fetch(server.url);
      response.catch(() => undefined);
      rejection = await Promise.race([response, started.promise.then(() => undefined)]);
    }
    assert.equal(rejection?.status, 503);
    assert.ok(served < 75, `${served} were served`);
    // Shares are parts of the present limit.
    assert.ok(limit() < 80);
    assert.deepEqual(
      limits.map((it) => it()),
      [limit(), limit(), limit()],
    );
    await server.close(0);
  });
});
