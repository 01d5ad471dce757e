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
/** The store stops halfway in the first of them. */
const artifacts = ["half.pdb", "whole.pdb"].map((key) => ({
  uri: `r2://foldforge/${key}`,
  contentType: "chemical/x-pdb",
  sizeBytes: BigInt(bytes.length),
  sha256: sha256(bytes),
}));

/** A key's share of the places below: a quarter, rounded down. */
const share = 2;
const places = "8";
const caps: TestSettings = {
  API_KEYS_ENABLED: "true",
  MAX_EVENT_STREAMS: places,
  MAX_DOWNLOADS: places,
  MAX_REQUESTS_IN_FLIGHT: places,
};

/** A request that goes on. */
interface Held {
  /** Resolves once it is over: to the status where the response was whole. */
  readonly over: Promise<number | "broken">;
  /** Makes its client leave. */
  leave(): void;
  /** Sends what is still to come of its body. */
  send?(rest: string): void;
}

/** One kind of what a key may hold only a share of. */
interface Holding {
  readonly name: string;
  readonly limit: SharedLimit;
  /** What the 429 calls it. */
  readonly noun: string;
  /** The calls to the orchestrator that one more costs which is turned away. */
  readonly cost: readonly string[];
  hold(token: string): Promise<Held>;
  /** Asks for one more; where it is granted, it is as good as over when the status is there. */
  ask(token: string): Promise<Response>;
  readonly endings: readonly [what: string, end: (held: readonly Held[]) => Promise<void>][];
}

/** A gateway whose upstream and store go on with what they have begun until they are told to. */
function startScene(settings: TestSettings) {
  let time = 1;
  const revoked = new Set<string>();
  const store = suite(startTestStore);
  const stack = suite(() =>
    startStack(
      {
        // Both keys are of one principal.
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
  const came = new EventEmitter();
  let go = deferred<"finish" | "fail">();

  /** Tells that `what` has come, and waits; throws where it is to fail. */
  async function waitAtUpstream(what: string, aborted: AbortSignal): Promise<void> {
    came.emit(what);
    const how = await Promise.race([go.promise, whenAborted(aborted)]);
    if (how === "fail") throw new ConnectError("no", Code.Internal);
  }

  /** Lets what is begun from now on go on until it is told to end. */
  function goOn(): void {
    const { rpcs } = stack().upstream;
    go = deferred();
    let state: JobState = JobState.RUNNING;
    void go.promise.then(() => (state = JobState.SUCCEEDED));
    rpcs.getWorkflow = async ({ workflowId }, { signal: aborted }) => {
      if (workflowId === "slow") await waitAtUpstream("read", aborted);
      if (workflowId === "stored") return workflowIn(JobState.SUCCEEDED, artifacts);
      return workflowIn(state);
    };
    rpcs.streamWorkflowEvents = async function* (_request, { signal: aborted }) {
      yield stepEvent(1n);
      await waitAtUpstream("stream", aborted);
      yield workflowEvent(9n, JobState.SUCCEEDED);
    };
    store().respond = (req, res) => {
      if (req.url?.includes("whole")) return serveBytes(bytes)(req, res);
      res.writeHead(200, { "Content-Length": bytes.length }).write(bytes.subarray(0, 300_000));
      void go.promise.then((how) => (how === "fail" ? res.destroy() : res.end(bytes.subarray(300_000))));
    };
  }
  beforeEach("what is begun goes on", goOn);

  /** Begins a request; `begun` resolves once it holds what it is to hold. */
  async function begin(
    token: string,
    path: string,
    begun: (answer: Promise<Response>) => Promise<unknown>,
    headers: Record<string, string> = {},
  ): Promise<Held> {
    const leaving = new AbortController();
    const answer = stack().gateway.fetch(path, { token, headers, signal: leaving.signal });
    const hasBegun = begun(answer).then(() => "begun");
    const over = answer
      .then(async (response) => {
        const ending = response.headers.get("content-type")?.startsWith("text/event-stream")
          ? await readEvents(response).ended
          : await response.arrayBuffer().then(() => "clean");
        return ending === "clean" ? response.status : "broken";
      })
      .catch(() => "broken" as const);
    assert.equal(await Promise.race([hasBegun, over]), "begun");
    return { over, leave: () => leaving.abort() };
  }

  const streamPath = "/v1/workflows/w1/events";
  const hasHeaders = async (answer: Promise<Response>) => assert.equal((await answer).status, 200);
  const hold = {
    stream: (token: string) => begin(token, streamPath, hasHeaders),
    wait: (token: string) =>
      begin(token, "/v1/workflows/w1", () => once(came, "stream"), { Prefer: "wait=30" }),
    download: (token: string) => begin(token, "/v1/workflows/stored/artifacts/half.pdb", hasHeaders),
    read: (token: string) => begin(token, "/v1/workflows/slow", () => once(came, "read")),
    /** A submission that is sent as far as its body. */
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
      const over = once(socket, "close").then(() => {
        const [, status] = /^HTTP\/1\.1 (\d+) /.exec(text) ?? [];
        return status === undefined ? ("broken" as const) : Number(status);
      });
      return { over, leave: () => socket.destroy(), send: (rest: string) => socket.write(rest) };
    },
  };

  /** Resolves once the gateway holds nothing for anybody. */
  async function settled(): Promise<void> {
    const isHeld = ([name, value]: [string, number]) =>
      value > 0 &&
      /^foldforge_gateway_(open_event_streams|open_artifact_downloads|http_requests_in_flight\{.*\})$/.test(
        name,
      );
    while ([...(await scrape(stack().gateway.url))].some(isHeld));
  }

  async function letGo(how: "finish" | "fail", held: readonly Held[]): Promise<(number | "broken")[]> {
    go.resolve(how);
    return Promise.all(held.map(({ over }) => over));
  }

  async function revoke(token: string, held: readonly Held[]): Promise<(number | "broken")[]> {
    revoked.add(sha256(token));
    time += 31_000;
    const how = await Promise.all(held.map(({ over }) => over));
    revoked.clear();
    time += 31_000;
    return how;
  }

  return { stack, store, goOn, hold, settled, letGo, revoke, streamPath };
}

async function assertServed(answer: Response): Promise<void> {
  assert.ok(answer.ok, `${answer.status}`);
  await answer.body?.cancel();
}

/** A chunk that is all of a body. */
const lastChunk = (text: string) => `${text.length.toString(16)}\r\n${text}\r\n0\r\n\r\n`;

/** What a key may hold only a share of, in a scene. */
function holdingsIn({ stack, hold, letGo, revoke, streamPath }: ReturnType<typeof startScene>) {
  const finish =
    (status: number) =>
    async (held: readonly Held[]): Promise<void> => {
      assert.deepEqual(new Set(await letGo("finish", held)), new Set([status]));
    };
  const fail =
    (status: number | "broken") =>
    async (held: readonly Held[]): Promise<void> => {
      assert.deepEqual(new Set(await letGo("fail", held)), new Set([status]));
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
      assert.deepEqual(new Set(await Promise.all(held.map(({ over }) => over))), new Set([status]));
    };
  const askForStream = (token: string) => stack().gateway.fetch(streamPath, { token });

  const holdings: readonly Holding[] = [
    {
      name: "event streams",
      limit: "event_streams",
      noun: "event streams and waiting reads",
      cost: [],
      hold: hold.stream,
      ask: askForStream,
      endings: [
        ["the workflows are finished", finish(200)],
        ["the upstream fails", fail("broken")],
        ["the key is revoked", isRevoked("broken")],
      ],
    },
    {
      name: "reads that wait",
      limit: "event_streams",
      noun: "event streams and waiting reads",
      cost: [],
      hold: hold.wait,
      ask: askForStream,
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
      ask: (token) => stack().gateway.fetch("/v1/workflows/stored/artifacts/whole.pdb", { token }),
      endings: [
        ["they are whole", finish(200)],
        ["the store breaks off", fail("broken")],
      ],
    },
    {
      name: "requests without a body",
      limit: "requests_other",
      noun: "requests without a body in flight",
      cost: [],
      hold: hold.read,
      ask: (token) => stack().gateway.fetch("/v1/workflows", { token }),
      endings: [
        ["they are answered", finish(200)],
        ["the upstream fails", fail(500)],
      ],
    },
    {
      name: "requests with a body",
      limit: "requests_with_body",
      noun: "requests with a body in flight",
      cost: [],
      hold: hold.upload,
      ask: (token) => stack().gateway.fetch("/v1/workflows", { ...jsonPost(oneStep), token }),
      endings: [
        ["the rest has come", sendRest(lastChunk(JSON.stringify(oneStep)), 201)],
        ["the rest is not valid", sendRest(lastChunk("{}"), 400)],
        ["the rest is no chunk", sendRest("no chunk\r\n", 400)],
      ],
    },
  ];
  return holdings;
}

describe("a gateway of which a key may have a quarter", () => {
  const scene = startScene({});
  const { stack, settled } = scene;
  const over = "foldforge_gateway_http_requests_over_share_total";

  async function holdAll({ hold }: Holding, token: string, count: number): Promise<Held[]> {
    const held: Held[] = [];
    for (let i = 0; i < count; i++) held.push(await hold(token));
    return held;
  }

  async function leave(held: readonly Held[]): Promise<void> {
    for (const { leave } of held) leave();
    await Promise.all(held.map(({ over }) => over));
    await settled();
  }

  async function assertOverShare(answer: Response, noun: string): Promise<void> {
    assert.equal(answer.status, 429);
    assert.equal(answer.headers.get("retry-after"), "5");
    assert.equal(answer.headers.get("content-type"), "application/json; charset=utf-8");
    assert.ok(![...answer.headers.keys()].some((name) => name.startsWith("x-ratelimit")));
    const { trace_id, ...body } = (await answer.json()) as Record<string, unknown>;
    assert.ok(trace_id);
    assert.deepEqual(body, {
      code: "RESOURCE_EXHAUSTED",
      message: `too many ${noun} of this API key: at most ${share} at once; try again soon`,
      retryable: true,
    });
  }

  for (const holding of holdingsIn(scene)) {
    const { name, limit, noun, cost, ask, endings } = holding;

    it(`turns away one more of a key's ${name}, and serves another key and the administrator`, async () => {
      const { gateway, upstream } = stack();
      const held = await holdAll(holding, "greedy", share);
      const rises = await increasesDuring(gateway.url, over, async () => {
        const calls = await callsDuring(upstream, async () => {
          for (let i = 0; i < 3; i++) await assertOverShare(await ask("greedy"), noun);
        });
        assert.deepEqual(
          calls.map(({ rpc }) => rpc),
          [...cost, ...cost, ...cost],
        );
        await assertServed(await ask("modest"));
        await assertServed(await ask(adminToken));
      });
      assert.deepEqual(rises, { [limit]: 3 });
      await leave(held);
    });

    it(`lets two keys have their share of ${name}, and the administrator all the rest`, async () => {
      const held = await holdAll(holding, "greedy", share);
      held.push(...(await holdAll(holding, "modest", share)));
      held.push(...(await holdAll(holding, adminToken, Number(places) - 2 * share - 1)));
      for (const key of ["greedy", "modest"]) await assertOverShare(await ask(key), noun);
      held.push(...(await holdAll(holding, adminToken, 1)));
      for (const token of [adminToken, "fresh", "fresh", "fresh"])
        assert.equal((await ask(token)).status, 503);
      await leave(held);
      // What nobody has room for is taken from nobody's share.
      await leave(await holdAll(holding, "fresh", share));
    });

    const leaving: Holding["endings"][number] = ["their clients leave", leave];
    for (const [what, end] of [leaving, ...endings])
      it(`gives a key its share of ${name} again once ${what}`, async () => {
        await end(await holdAll(holding, "greedy", share));
        await settled();
        scene.goOn();
        const again = await holdAll(holding, "greedy", share);
        assert.equal((await ask("greedy")).status, 429);
        await leave(again);
      });
  }

  it("counts streams and reads that wait together", async () => {
    const held = [await scene.hold.stream("greedy"), await scene.hold.wait("greedy")];
    for (const [path, headers] of [
      ["/v1/workflows/w1", { Prefer: "wait=30" }],
      ["/v1/workflows/w1/events", {}],
    ] as const) {
      const answer = await stack().gateway.fetch(path, { token: "greedy", headers });
      await assertOverShare(answer, "event streams and waiting reads");
    }
    // One that does not wait is another matter.
    await assertServed(await stack().gateway.fetch("/v1/workflows/w1", { token: "greedy" }));
    await leave(held);
  });

  for (const [what, answer, status] of [
    ["there is no such object", (res) => sendS3Error(res, 404, "NoSuchKey"), 404],
    ["the store is down", (res) => sendS3Error(res, 503, "SlowDown"), 503],
    ["the store breaks off before its answer", (res) => res.destroy(), 503],
    ["the object has another length", (res) => res.writeHead(200, { "Content-Length": 4 }).end("ATOM"), 500],
  ] satisfies [string, (res: ServerResponse) => unknown, number][])
    it(`takes nothing of a key's share of downloads for good where ${what}`, async () => {
      const { store, hold, goOn } = scene;
      store().respond = (_req, res) => answer(res);
      const path = "/v1/workflows/stored/artifacts/half.pdb";
      for (let i = 0; i <= share; i++) {
        const refused = await stack().gateway.fetch(path, { token: "greedy" });
        assert.equal(refused.status, status);
        await settled();
      }
      goOn();
      await leave([await hold.download("greedy"), await hold.download("greedy")]);
    });

  it("closes the connection of a body that it does not read", async () => {
    const held = [await scene.hold.upload("greedy"), await scene.hold.upload("greedy")];
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

  it("tells the hash of a key nowhere in its log", () => {
    for (const key of ["greedy", "modest"]) assert.ok(!stack().gateway.logText.includes(sha256(key)));
    assert.ok(stack().gateway.logs.some(({ status }) => status === 429));
  });
});

describe("a gateway of which a key may have all", () => {
  const scene = startScene({
    MAX_SHARE_PER_KEY: "1",
    MAX_EVENT_STREAMS: "2",
    MAX_DOWNLOADS: "2",
    MAX_REQUESTS_IN_FLIGHT: "2",
  });

  for (const { name, hold, ask } of holdingsIn(scene))
    it(`lets it have all ${name}, and refuses one more of anybody's as unavailable`, async () => {
      const held = [await hold("greedy"), await hold("greedy")];
      for (const key of ["greedy", "modest"]) {
        const answer = await ask(key);
        assert.deepEqual([answer.status, answer.headers.get("retry-after")], [503, "2"]);
      }
      for (const { leave } of held) leave();
      await scene.settled();
      await assertServed(await ask("modest"));
      await scene.settled();
    });
});
