import assert from "node:assert/strict";
import { EventEmitter, once } from "node:events";
import type { ServerResponse } from "node:http";
import { connect } from "node:net";
import { Code, ConnectError } from "@connectrpc/connect";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import type { SharedLimit } from "../../src/telemetry/metrics.ts";
import { readEvents } from "../support/event-reader.ts";
import { adminToken, suite } from "../support/gateway.ts";
import type { TestSettings } from "../support/gateway.ts";
import { increasesDuring, scrape } from "../support/metrics.ts";
import { sendS3Error, serveBytes, startTestStore, storeSettings } from "../support/object-store.ts";
import { jsonPost, oneStep, sha256, stepEvent, workflowEvent, workflowIn } from "../support/samples.ts";
import { whenAborted, callsDuring, deferred, startStack } from "../support/stack.ts";

const bytes = Buffer.from("ATOM      1  N   GLY A   1\n".repeat(20_000));
/** The store pauses in the middle of the first one. */
const artifacts = ["half.pdb", "whole.pdb"].map((key) => ({
  uri: `r2://foldforge/${key}`,
  contentType: "chemical/x-pdb",
  sizeBytes: BigInt(bytes.length),
  sha256: sha256(bytes),
}));

/** A key's share of the limits below: a quarter. */
const share = 2;
const capacity = "8";
const caps: TestSettings = {
  API_KEYS_ENABLED: "true",
  MAX_EVENT_STREAMS: capacity,
  MAX_DOWNLOADS: capacity,
  MAX_REQUESTS_IN_FLIGHT: capacity,
};

/** A request that is being served. */
interface Held {
  /** Resolves at its end: to the status when the response is complete. */
  readonly end: Promise<number | "broken">;
  /** Disconnects its client. */
  leave(): void;
  /** Sends the rest of its body. */
  send?(rest: string): void;
}

/** A limit that allows each API key a share. */
interface LimitCase {
  readonly name: string;
  readonly limit: SharedLimit;
  /** Its name in the message of the 429. */
  readonly noun: string;
  /** The calls to the orchestrator that a rejected request makes. */
  readonly cost: readonly string[];
  hold(token: string): Promise<Held>;
  /** Sends one more request; when it is accepted, it ends soon after its status. */
  send(token: string): Promise<Response>;
  readonly endings: readonly [what: string, end: (held: readonly Held[]) => Promise<void>][];
}

/** A gateway whose upstream and store continue with each request until the test ends it. */
function startHeldStack(settings: TestSettings) {
  let time = 1;
  const revoked = new Set<string>();
  const store = suite(startTestStore);
  const stack = suite(() =>
    startStack(
      {
        // Both keys belong to one principal.
        authenticateApiKey: ({ keyHash }) => ({ allowed: !revoked.has(keyHash), principal: "alice" }),
        consumeQuota: () => ({ allowed: true, principal: "alice" }),
        submitWorkflow: () => workflowIn(JobState.QUEUED),
        listWorkflows: () => ({}),
      },
      { ...caps, ...storeSettings(store()), ...settings },
      {
        now: () => time,
        streamIntervals: { checkMs: 5, heartbeatMs: 3_600_000 },
        retryPolicy: { maxRetries: 1, backoffMs: () => 0, idleTimeoutMs: 30 },
      },
    ),
  );
  const arrivals = new EventEmitter();
  let go = deferred<"finish" | "fail">();

  /** Emits `what` and waits for the end; throws when the request is to fail. */
  async function waitForEnd(what: string, aborted: AbortSignal): Promise<void> {
    arrivals.emit(what);
    const how = await Promise.race([go.promise, whenAborted(aborted)]);
    if (how === "fail") throw new ConnectError("no", Code.Internal);
  }

  /** Makes requests that start from now on continue until the test ends them. */
  function continueRequests(): void {
    const { rpcs } = stack().upstream;
    go = deferred();
    let state: JobState = JobState.RUNNING;
    void go.promise.then(() => (state = JobState.SUCCEEDED));
    rpcs.getWorkflow = async ({ workflowId }, { signal: aborted }) => {
      if (workflowId === "slow") await waitForEnd("read", aborted);
      if (workflowId === "stored") return workflowIn(JobState.SUCCEEDED, artifacts);
      return workflowIn(state);
    };
    rpcs.streamWorkflowEvents = async function* (_request, { signal: aborted }) {
      yield stepEvent(1n);
      await waitForEnd("stream", aborted);
      yield workflowEvent(9n, JobState.SUCCEEDED);
    };
    store().respond = (req, res) => {
      if (req.url?.includes("whole")) return serveBytes(bytes)(req, res);
      res.writeHead(200, { "Content-Length": bytes.length }).write(bytes.subarray(0, 300_000));
      void go.promise.then((how) => (how === "fail" ? res.destroy() : res.end(bytes.subarray(300_000))));
    };
  }
  beforeEach("requests continue", continueRequests);

  /** Starts a request; `started` resolves when it counts against the share. */
  async function start(
    token: string,
    path: string,
    started: (response: Promise<Response>) => Promise<unknown>,
    headers: Record<string, string> = {},
  ): Promise<Held> {
    const leaving = new AbortController();
    const response = stack().gateway.fetch(path, { token, headers, signal: leaving.signal });
    const hasStarted = started(response).then(() => "started");
    const end = response
      .then(async (response) => {
        const ending = response.headers.get("content-type")?.startsWith("text/event-stream")
          ? await readEvents(response).ended
          : await response.arrayBuffer().then(() => "clean");
        return ending === "clean" ? response.status : "broken";
      })
      .catch(() => "broken" as const);
    assert.equal(await Promise.race([hasStarted, end]), "started");
    return { end, leave: () => leaving.abort() };
  }

  const streamPath = "/v1/workflows/w1/events";
  const hasHeaders = async (response: Promise<Response>) => assert.equal((await response).status, 200);
  const hold = {
    stream: (token: string) => start(token, streamPath, hasHeaders),
    wait: (token: string) =>
      start(token, "/v1/workflows/w1", () => once(arrivals, "stream"), { Prefer: "wait=30" }),
    download: (token: string) => start(token, "/v1/workflows/stored/artifacts/half.pdb", hasHeaders),
    read: (token: string) => start(token, "/v1/workflows/slow", () => once(arrivals, "read")),
    /** A submission without its body. */
    async upload(token: string) {
      const { hostname, port } = new URL(stack().gateway.url);
      const socket = connect(Number(port), hostname);
      socket
        .setEncoding("latin1")
        .on("error", () => undefined)
        .write(
          `POST /v1/workflows HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\nConnection: close\r\n` +
            "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n",
        );
      assert.match(String(await once(socket, "data")), /^HTTP\/1\.1 100 /);
      let text = "";
      socket.on("data", (chunk: string) => (text += chunk));
      const end = once(socket, "close").then(() => {
        const [, status] = /^HTTP\/1\.1 (\d+) /.exec(text) ?? [];
        return status === undefined ? ("broken" as const) : Number(status);
      });
      return { end, leave: () => socket.destroy(), send: (rest: string) => socket.write(rest) };
    },
  };

  /** Resolves when the gateway serves no request. */
  async function settled(): Promise<void> {
    const isHeld = ([name, value]: [string, number]) =>
      value > 0 &&
      /^foldforge_gateway_(open_event_streams|open_artifact_downloads|http_requests_in_flight\{.*\})$/.test(
        name,
      );
    while ([...(await scrape(stack().gateway.url))].some(isHeld));
  }

  async function endAll(how: "finish" | "fail", held: readonly Held[]): Promise<(number | "broken")[]> {
    go.resolve(how);
    return Promise.all(held.map(({ end }) => end));
  }

  async function revoke(token: string, held: readonly Held[]): Promise<(number | "broken")[]> {
    revoked.add(sha256(token));
    time += 31_000;
    const how = await Promise.all(held.map(({ end }) => end));
    revoked.clear();
    time += 31_000;
    return how;
  }

  return { stack, store, continueRequests, hold, settled, endAll, revoke, streamPath };
}

async function assertServed(response: Response): Promise<void> {
  assert.ok(response.ok, `${response.status}`);
  await response.body?.cancel();
}

/** A chunk with the whole body. */
const lastChunk = (text: string) => `${text.length.toString(16)}\r\n${text}\r\n0\r\n\r\n`;

/** The limits that a key has a share of. */
function limitCasesOf({ stack, hold, endAll, revoke, streamPath }: ReturnType<typeof startHeldStack>) {
  const finish =
    (status: number) =>
    async (held: readonly Held[]): Promise<void> => {
      assert.deepEqual(new Set(await endAll("finish", held)), new Set([status]));
    };
  const fail =
    (status: number | "broken") =>
    async (held: readonly Held[]): Promise<void> => {
      assert.deepEqual(new Set(await endAll("fail", held)), new Set([status]));
    };
  const isRevoked =
    (status: number | "broken") =>
    async (held: readonly Held[]): Promise<void> => {
      assert.deepEqual(new Set(await revoke("greedy", held)), new Set([status]));
    };
  const sendRest =
    (rest: string, status: number) =>
    async (held: readonly Held[]): Promise<void> => {
      for (const { send } of held) send?.(rest);
      assert.deepEqual(new Set(await Promise.all(held.map(({ end }) => end))), new Set([status]));
    };
  const openStream = (token: string) => stack().gateway.fetch(streamPath, { token });

  const limitCases: readonly LimitCase[] = [
    {
      name: "event streams",
      limit: "event_streams",
      noun: "event streams and waiting reads",
      cost: [],
      hold: hold.stream,
      send: openStream,
      endings: [
        ["the workflows are finished", finish(200)],
        ["the upstream fails", fail("broken")],
        ["the key is revoked", isRevoked("broken")],
      ],
    },
    {
      name: "waiting reads",
      limit: "event_streams",
      noun: "event streams and waiting reads",
      cost: [],
      hold: hold.wait,
      send: openStream,
      endings: [
        ["the workflows are finished", finish(200)],
        ["the upstream fails", fail(500)],
        ["the key is revoked", isRevoked(401)],
      ],
    },
    {
      name: "downloads",
      limit: "downloads",
      noun: "downloads",
      cost: ["GetWorkflow"],
      hold: hold.download,
      send: (token) => stack().gateway.fetch("/v1/workflows/stored/artifacts/whole.pdb", { token }),
      endings: [
        ["they are complete", finish(200)],
        ["the store breaks off", fail("broken")],
      ],
    },
    {
      name: "requests without a body",
      limit: "requests_other",
      noun: "requests without a body in flight",
      cost: [],
      hold: hold.read,
      send: (token) => stack().gateway.fetch("/v1/workflows", { token }),
      endings: [
        ["they have a response", finish(200)],
        ["the upstream fails", fail(500)],
      ],
    },
    {
      name: "requests with a body",
      limit: "requests_with_body",
      noun: "requests with a body in flight",
      cost: [],
      hold: hold.upload,
      send: (token) => stack().gateway.fetch("/v1/workflows", { ...jsonPost(oneStep), token }),
      endings: [
        ["the rest of the body arrives", sendRest(lastChunk(JSON.stringify(oneStep)), 201)],
        ["the rest is invalid", sendRest(lastChunk("{}"), 400)],
        ["the rest is not a chunk", sendRest("no chunk\r\n", 400)],
      ],
    },
  ];
  return limitCases;
}

describe("a gateway with the default MAX_SHARE_PER_KEY", () => {
  const heldStack = startHeldStack({});
  const { stack, settled } = heldStack;
  const metric = "foldforge_gateway_http_requests_over_share_total";

  async function holdAll({ hold }: LimitCase, token: string, count: number): Promise<Held[]> {
    const held: Held[] = [];
    for (let i = 0; i < count; i++) held.push(await hold(token));
    return held;
  }

  async function leave(held: readonly Held[]): Promise<void> {
    for (const { leave } of held) leave();
    await Promise.all(held.map(({ end }) => end));
    await settled();
  }

  async function assertOverShare(response: Response, noun: string): Promise<void> {
    assert.equal(response.status, 429);
    assert.equal(response.headers.get("retry-after"), "5");
    assert.equal(response.headers.get("content-type"), "application/json; charset=utf-8");
    assert.ok(![...response.headers.keys()].some((name) => name.startsWith("x-ratelimit")));
    const { trace_id, ...body } = (await response.json()) as Record<string, unknown>;
    assert.ok(trace_id);
    assert.deepEqual(body, {
      code: "RESOURCE_EXHAUSTED",
      message: `too many ${noun} with this API key: at most ${share} at once; try again soon`,
      retryable: true,
    });
  }

  for (const limitCase of limitCasesOf(heldStack)) {
    const { name, limit, noun, cost, send, endings } = limitCase;

    it(`rejects one more of a key's ${name}, and serves another key and the admin`, async () => {
      const { gateway, upstream } = stack();
      const held = await holdAll(limitCase, "greedy", share);
      const increases = await increasesDuring(gateway.url, metric, async () => {
        const calls = await callsDuring(upstream, async () => {
          for (let i = 0; i < 3; i++) await assertOverShare(await send("greedy"), noun);
        });
        assert.deepEqual(
          calls.map(({ rpc }) => rpc),
          [...cost, ...cost, ...cost],
        );
        await assertServed(await send("modest"));
        await assertServed(await send(adminToken));
      });
      assert.deepEqual(increases, { [limit]: 3 });
      await leave(held);
    });

    it(`grants two keys their share of ${name}, and the admin the rest`, async () => {
      const held = await holdAll(limitCase, "greedy", share);
      held.push(...(await holdAll(limitCase, "modest", share)));
      held.push(...(await holdAll(limitCase, adminToken, Number(capacity) - 2 * share - 1)));
      for (const key of ["greedy", "modest"]) await assertOverShare(await send(key), noun);
      held.push(...(await holdAll(limitCase, adminToken, 1)));
      for (const token of [adminToken, "fresh", "fresh", "fresh"])
        assert.equal((await send(token)).status, 503);
      await leave(held);
      // Requests above the limit do not count against a share.
      await leave(await holdAll(limitCase, "fresh", share));
    });

    const leaving: LimitCase["endings"][number] = ["their clients disconnect", leave];
    for (const [what, end] of [leaving, ...endings])
      it(`grants a key its share of ${name} again when ${what}`, async () => {
        await end(await holdAll(limitCase, "greedy", share));
        await settled();
        heldStack.continueRequests();
        const again = await holdAll(limitCase, "greedy", share);
        assert.equal((await send("greedy")).status, 429);
        await leave(again);
      });
  }

  it("counts event streams and waiting reads together", async () => {
    const held = [await heldStack.hold.stream("greedy"), await heldStack.hold.wait("greedy")];
    for (const [path, headers] of [
      ["/v1/workflows/w1", { Prefer: "wait=30" }],
      ["/v1/workflows/w1/events", {}],
    ] as const) {
      const response = await stack().gateway.fetch(path, { token: "greedy", headers });
      await assertOverShare(response, "event streams and waiting reads");
    }
    // A read that does not wait does not count.
    await assertServed(await stack().gateway.fetch("/v1/workflows/w1", { token: "greedy" }));
    await leave(held);
  });

  for (const [what, respond, status] of [
    ["the object does not exist", (res) => sendS3Error(res, 404, "NoSuchKey"), 404],
    ["the store is down", (res) => sendS3Error(res, 503, "SlowDown"), 503],
    ["the store closes the connection before its response", (res) => res.destroy(), 503],
    ["the object has another length", (res) => res.writeHead(200, { "Content-Length": 4 }).end("ATOM"), 500],
  ] satisfies [string, (res: ServerResponse) => unknown, number][])
    it(`releases a key's share of downloads when ${what}`, async () => {
      const { store, hold, continueRequests } = heldStack;
      store().respond = (_req, res) => respond(res);
      const path = "/v1/workflows/stored/artifacts/half.pdb";
      for (let i = 0; i <= share; i++) {
        const rejected = await stack().gateway.fetch(path, { token: "greedy" });
        assert.equal(rejected.status, status);
        await settled();
      }
      continueRequests();
      await leave([await hold.download("greedy"), await hold.download("greedy")]);
    });

  it("closes the connection of a request whose body it does not read", async () => {
    const held = [await heldStack.hold.upload("greedy"), await heldStack.hold.upload("greedy")];
    const { hostname, port } = new URL(stack().gateway.url);
    const socket = connect(Number(port), hostname).setEncoding("latin1");
    let text = "";
    socket.on("data", (chunk: string) => (text += chunk)).on("error", () => undefined);
    socket.write(
      "POST /v1/workflows HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer greedy\r\n" +
        "Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{",
    );
    await once(socket, "close");
    assert.match(text, /^HTTP\/1\.1 429 [^]*^Connection: close\r$/m);
    await leave(held);
  });

  it("does not log key hashes", () => {
    for (const key of ["greedy", "modest"]) assert.ok(!stack().gateway.logText.includes(sha256(key)));
    assert.ok(stack().gateway.logs.some(({ status }) => status === 429));
  });
});

describe("a gateway with MAX_SHARE_PER_KEY=1", () => {
  const heldStack = startHeldStack({
    MAX_SHARE_PER_KEY: "1",
    MAX_EVENT_STREAMS: "2",
    MAX_DOWNLOADS: "2",
    MAX_REQUESTS_IN_FLIGHT: "2",
  });

  for (const { name, hold, send } of limitCasesOf(heldStack))
    it(`grants one key all ${name}, and returns 503 for one more of any key`, async () => {
      const held = [await hold("greedy"), await hold("greedy")];
      for (const key of ["greedy", "modest"]) {
        const response = await send(key);
        assert.deepEqual([response.status, response.headers.get("retry-after")], [503, "2"]);
      }
      for (const { leave } of held) leave();
      await heldStack.settled();
      await assertServed(await send("modest"));
      await heldStack.settled();
    });
});
