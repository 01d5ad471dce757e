import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { get, request } from "node:http";
import type { IncomingMessage } from "node:http";
import { fileURLToPath } from "node:url";
import { isDeepStrictEqual, promisify } from "node:util";
import { fromBinary } from "@bufbuild/protobuf";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import {
  GetWorkflowRequestSchema,
  ListWorkflowsRequestSchema,
  StreamWorkflowEventsRequestSchema,
} from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import { allowAll, startEncodedUpstream } from "../support/encoded-upstream.ts";
import type { EncodedRpc } from "../support/encoded-upstream.ts";
import { readEvents } from "../support/event-reader.ts";
import { runGateway } from "../support/gateway-process.ts";
import type { RunOptions } from "../support/gateway-process.ts";
import { adminToken, suite } from "../support/gateway.ts";
import type { TestSettings } from "../support/gateway.ts";
import { watchHealth } from "../support/health-watch.ts";
import { imageEnvironment, imageFlags } from "../support/image-flags.ts";
import { scrape } from "../support/metrics.ts";
import { peakResidentBytes } from "../support/process-memory.ts";
import {
  encodedPage,
  encodedSpec,
  encodedUpdate,
  encodedWorkflow,
  specIn,
  worstBody,
  worstKinds,
} from "../support/worst-workflows.ts";
import type { WorstKind } from "../support/worst-workflows.ts";
import { readEventIds } from "./event-ids.ts";
import { measuredArgv, memoryOf, unretainedMemory } from "./measured-gateway.ts";

const workWithoutPause = fileURLToPath(new URL("work-without-pause.ts", import.meta.url));
const mebibyte = 1024 * 1024;
const { QUEUED, RUNNING, SUCCEEDED } = JobState;
const headers = { Authorization: `Bearer ${adminToken}` };

/** A gateway process with the flags of the image and 512 MiB, and an orchestrator that sends prepared bytes. */
async function startWorst(
  rpcs: Record<string, EncodedRpc>,
  settings: TestSettings = {},
  { execArgv = [], more = {} }: Pick<RunOptions, "execArgv" | "more"> = {},
) {
  const upstream = await startEncodedUpstream({ ...allowAll, ...rpcs });
  const all = {
    BIND_ADDR: "127.0.0.1:0",
    API_TOKEN: adminToken,
    API_KEYS_ENABLED: "true",
    ORCHESTRATOR_ENDPOINT: upstream.url,
    // Longer than anything takes on a slow machine.
    ORCHESTRATOR_RPC_TIMEOUT_SECONDS: "60",
    STALL_TIMEOUT_SECONDS: "600",
    DRAIN_DELAY_SECONDS: "0",
    SHUTDOWN_GRACE_SECONDS: "1",
    ...settings,
  };
  const gateway = runGateway(all, {
    execArgv: [...imageFlags(512 * mebibyte), ...execArgv],
    more: { ...imageEnvironment(), ...more },
  });
  const url = await gateway.started;
  const pid = gateway.child.pid!;
  return {
    url,
    upstream,
    /** The longest that a health check waits while `act` runs, in milliseconds. */
    async longestHealthWait(act: () => Promise<unknown>): Promise<number> {
      const health = watchHealth(url, pid);
      try {
        // Once it responds, it watches.
        await health.longest();
        await act();
        const { ownMs, longestMs } = await health.longest();
        return ownMs ?? longestMs;
      } finally {
        await health.close();
      }
    },
    /** Undefined when the system does not report it. */
    peakResident: () => peakResidentBytes(pid),
    /** For a gateway with the options `measuredArgv`. */
    memory: () => memoryOf(gateway),
    async close() {
      gateway.child.kill("SIGTERM");
      const { code, signal, lines } = await gateway.ended;
      await upstream.close();
      assert.deepEqual([code, signal], [0, null], "the process exits normally");
      assert.deepEqual(
        lines.filter(({ level }) => level === "error"),
        [],
      );
    },
  };
}

/** A workflow with one step. */
interface WorkflowJson {
  readonly name: string;
  readonly steps: readonly { readonly params: unknown }[];
}

interface PageJson {
  readonly workflows: readonly WorkflowJson[];
  readonly next_page_token: string;
}

/** What a client submits, and the workflow that it is for the orchestrator. */
function workflowOf(id: string, kind: WorstKind, share?: number) {
  const body = worstBody(kind, share);
  const { name, steps } = JSON.parse(body) as WorkflowJson;
  return {
    name,
    body,
    params: Buffer.from(JSON.stringify(steps[0]?.params)) as Buffer,
    message: encodedWorkflow(encodedSpec(body), { id, state: SUCCEEDED }),
  };
}

/** The workflows by id: one of each kind, smaller than the worst, and the worst of two kinds. */
const workflows = new Map([
  ...worstKinds.map((kind) => [kind as string, workflowOf(kind, kind, 0.3)] as const),
  ["deepest", workflowOf("deepest", "deep")],
  ["longest", workflowOf("longest", "text")],
]);

/** The token of the next page. */
const nextToken = "more";

const rpcs: Record<string, EncodedRpc> = {
  SubmitWorkflow: (request) => [encodedWorkflow(specIn(request), { id: "new", state: QUEUED })],
  GetWorkflow: (request) => [
    workflows.get(fromBinary(GetWorkflowRequestSchema, request).workflowId)!.message,
  ],
  ListWorkflows(request) {
    const { pageSize, pageToken } = fromBinary(ListWorkflowsRequestSchema, request);
    return [pageOf(pageToken, pageSize)];
  },
  StreamWorkflowEvents(request) {
    const { workflowId } = fromBinary(StreamWorkflowEventsRequestSchema, request);
    return [encodedUpdate(workflows.get(workflowId)!.message, { workflowId, eventId: 1n })];
  },
};

/** The encoded pages by id and size. */
const pages = new Map<string, Uint8Array>();

function pageOf(id: string, size: number): Uint8Array {
  const key = `${id} ${size}`;
  const { message } = workflows.get(id)!;
  const page = pages.get(key) ?? encodedPage(Array<Uint8Array>(size).fill(message), nextToken);
  pages.set(key, page);
  return page;
}

/** The keys of an object have no order; but they are in the same one in each response, and comparing bytes is faster. */
function assertSame(received: Buffer, id: string): void {
  const workflow = workflows.get(id)!;
  if (received.equals(workflow.params)) return;
  const [actual, expected] = [received, workflow.params].map(
    (text) => JSON.parse(text.toString()) as unknown,
  );
  assert.ok(isDeepStrictEqual(actual, expected), `${id}: differs from the submission`);
  workflow.params = received;
}

const paramsStart = Buffer.from('"params":');

/**
 * The text of a body with `null` for the params of each workflow, which must be those of the workflow `id`: only this
 * small rest is parsed.
 */
function withoutParams(body: Buffer, id: string): string {
  const { params } = workflows.get(id)!;
  let text = "";
  let end = 0;
  for (let at = body.indexOf(paramsStart); at >= 0; at = body.indexOf(paramsStart, end)) {
    const begin = at + paramsStart.length;
    text += `${body.toString("utf8", end, begin)}null`;
    end = begin + params.length;
    assertSame(body.subarray(begin, end), id);
  }
  return text + body.toString("utf8", end);
}

function assertIs(id: string, { name, steps }: WorkflowJson): void {
  assert.deepEqual([name, steps.map(({ params }) => params)], [workflows.get(id)!.name, [null]]);
}

function submissionOf(id: string, token: string): RequestInit {
  return {
    method: "POST",
    headers: { Authorization: `Bearer ${token}`, "Content-Type": "application/json" },
    body: workflows.get(id)!.body,
  };
}

/** Sends requests to a gateway and checks the responses. */
function clientOf(url: string) {
  async function send(path: string, init: RequestInit = {}) {
    const response = await fetch(`${url}${path}`, { headers, ...init });
    return { response, body: Buffer.from(await response.arrayBuffer()) };
  }

  return {
    send,
    async submit(id: string) {
      const { response, body } = await send("/v1/workflows", submissionOf(id, "a-key"));
      assert.deepEqual([response.status, response.headers.get("Location")], [201, "/v1/workflows/new"]);
      assertIs(id, JSON.parse(withoutParams(body, id)) as WorkflowJson);
    },
    async read(id: string) {
      const { response, body } = await send(`/v1/workflows/${id}`);
      assert.equal(response.status, 200);
      assertIs(id, JSON.parse(withoutParams(body, id)) as WorkflowJson);
    },
    /** Resolves to the number of workflows. */
    async list(id: string, pageSize: number): Promise<number> {
      const { response, body } = await send(`/v1/workflows?page_size=${pageSize}&page_token=${id}`);
      assert.equal(response.status, 200);
      const page = JSON.parse(withoutParams(body, id)) as PageJson;
      assert.equal(page.next_page_token, nextToken);
      for (const workflow of page.workflows) assertIs(id, workflow);
      return page.workflows.length;
    },
    async follow(id: string) {
      const { body } = await send(`/v1/workflows/${id}/events`);
      const reader = readEvents(new Response(withoutParams(body, id)));
      assert.equal(await reader.ended, "clean");
      const [{ id: eventId, data } = assert.fail("there was no event"), ...more] = reader.events;
      assert.deepEqual([eventId, more], ["1", []]);
      assertIs(id, (JSON.parse(data) as { workflow_update: WorkflowJson }).workflow_update);
    },
    async lookUp(id: string) {
      const { response } = await send(`/v1/workflows/${id}/artifacts/nobody`);
      assert.equal(response.status, 404);
    },
    /** Sends a GET, and reads nothing of the response but its headers. */
    async discard(path: string, more: Record<string, string> = {}): Promise<IncomingMessage> {
      const request = get(`${url}${path}`, { agent: false, headers: { ...headers, ...more } });
      const [response] = (await once(request, "response")) as [IncomingMessage];
      assert.equal(response.statusCode, 200);
      await once(response.resume(), "end");
      return response;
    },
  };
}

const times = (count: number, act: () => Promise<unknown>) => Promise.all(Array.from({ length: count }, act));

describe("a gateway with the worst workflows that it accepts", () => {
  const worst = suite(() => startWorst(rpcs));
  const pageSize = 8;
  const submissions = 64;
  const submissionShare = 0.06;
  /** The CPU that work takes without a pause, in milliseconds. */
  let withoutPause: { readonly pageMs: number; readonly submissionsMs: number };

  before("measure work without a pause", async () => {
    const args = [workWithoutPause, pageSize, submissions, submissionShare].map(String);
    const { stdout } = await promisify(execFile)(process.execPath, args);
    withoutPause = JSON.parse(stdout) as typeof withoutPause;
  });

  for (const kind of worstKinds) {
    it(`submits, reads, lists, streams and searches workflows of kind ${kind} unchanged`, async () => {
      const { submit, read, list, follow, lookUp } = clientOf(worst().url);
      await submit(kind);
      await read(kind);
      await times(2, async () => assert.equal(await list(kind, 4), 4));
      await follow(kind);
      await lookUp(kind);
    });
  }

  it("responds to health checks during pages, reads and submissions", async () => {
    const { url, longestHealthWait } = worst();
    const { list, read, submit, lookUp } = clientOf(url);
    const { pageMs } = withoutPause;
    let waitMs = Infinity;
    // A missing pause shows each time, what else runs on the machine does not.
    for (let left = 3; left > 0 && waitMs >= pageMs / 2; left -= 1)
      waitMs = await longestHealthWait(async () => {
        await times(2, async () => assert.equal(await list("deepest", pageSize), pageSize));
        await times(4, () => read("deepest"));
        await times(4, () => lookUp("deepest"));
        await times(2, () => submit("deepest"));
      });

    assert.ok(waitMs < pageMs / 2, `waited ${waitMs} ms; the page takes ${pageMs} ms without a pause`);
  });

  it(`responds to health checks during ${submissions} concurrent submissions of 60 KB`, async () => {
    const { url, longestHealthWait } = worst();
    const body = Buffer.from(worstBody("deep", submissionShare));
    const posts = Array.from({ length: submissions }, () =>
      request(`${url}/v1/workflows`, {
        method: "POST",
        agent: false,
        headers: { ...headers, "Content-Type": "application/json", "Content-Length": body.length },
      }),
    );
    const responses = posts.map(async (post) => {
      const [response] = (await once(post, "response")) as [IncomingMessage];
      assert.equal(response.statusCode, 201);
      await once(response.resume(), "end");
    });
    await Promise.all(
      posts.map((post) => new Promise((resolve) => post.write(body.subarray(0, -1), resolve))),
    );
    const waitMs = await longestHealthWait(async () => {
      for (const post of posts) post.end(body.subarray(-1));
      await Promise.all(responses);
    });
    const { submissionsMs } = withoutPause;

    assert.ok(
      waitMs < submissionsMs / 3,
      `waited ${waitMs} ms; all take ${submissionsMs} ms without a pause`,
    );
  });

  it("holds large submissions to a slow orchestrator as messages only, so that memory suffices", async () => {
    const { url, upstream } = worst();
    const count = 12;
    const accepted = encodedWorkflow(new Uint8Array(), { id: "new", state: QUEUED });
    const all = Promise.withResolvers<undefined>();
    let calls = 0;
    upstream.rpcs["SubmitWorkflow"] = async function* () {
      calls += 1;
      if (calls === count) all.resolve(undefined);
      await all.promise;
      yield accepted;
    };
    const { send } = clientOf(url);
    await times(count, async () => {
      const { response } = await send("/v1/workflows", submissionOf("deepest", adminToken));
      assert.equal(response.status, 201);
    });
  });
});

describe("a gateway with MAX_BUFFERED_BYTES of 32 MiB", () => {
  const maxBuffered = 32 * mebibyte;
  const worst = suite(() => startWorst(rpcs, { MAX_BUFFERED_BYTES: String(maxBuffered) }));

  it("serves another key's large reads while one key reads 32 pages, and uses less than 80 MiB more", async function () {
    const { url, peakResident } = worst();
    const { discard } = clientOf(url);
    const pages = 32;
    const before = peakResident();
    let served = 0;
    const first = Promise.withResolvers<undefined>();
    const all = times(pages, async () => {
      await discard("/v1/workflows?page_size=8&page_token=deepest", { Authorization: "Bearer a-key" });
      served += 1;
      first.resolve(undefined);
    });
    await Promise.race([first.promise, all]);
    const servedBefore = served;
    // All at once, so that a busy machine delays them once and not six times.
    await Promise.all(
      worstKinds.map((id) => discard(`/v1/workflows/${id}`, { Authorization: "Bearer another-key" })),
    );
    const meanwhile = served - servedBefore;
    await all;
    const after = peakResident();

    // One or two pages are in progress when the reads arrive.
    assert.ok(
      meanwhile < (pages - servedBefore) / 2,
      `${meanwhile} of ${pages} pages were served before six reads`,
    );
    if (before === undefined || after === undefined) return this.skip();
    assert.ok(after - before < 2.5 * maxBuffered, `${before} bytes, then ${after}`);
  });

  it("uses less than 96 MiB more for 12 compressed pages whose JSON is six times as long", async function () {
    const { url, peakResident } = worst();
    const { discard } = clientOf(url);
    const before = peakResident();
    await times(12, async () => {
      const target = "/v1/workflows?page_size=100&page_token=escapes";
      const response = await discard(target, { "Accept-Encoding": "gzip" });
      assert.equal(response.headers["content-encoding"], "gzip");
    });
    const after = peakResident();
    if (before === undefined || after === undefined) return this.skip();
    assert.ok(after - before < 3 * maxBuffered, `${before} bytes, then ${after}`);
  });
});

describe("clients that do not read large events", () => {
  const spec = encodedSpec(workflows.get("longest")!.body);
  const updateBytes = spec.length;
  const workflowIn = (state: JobState) => encodedWorkflow(spec, { id: "w1", state });
  const allIds = Array.from({ length: 16 }, (_, index) => index + 1);
  const updates = allIds.map((id) =>
    encodedUpdate(workflowIn(id === allIds.length ? SUCCEEDED : RUNNING), {
      workflowId: "w1",
      eventId: BigInt(id),
    }),
  );

  const gateway = suite(() =>
    startWorst(
      {
        GetWorkflow: () => [workflowIn(RUNNING)],
        StreamWorkflowEvents(request) {
          const { fromEventId } = fromBinary(StreamWorkflowEventsRequestSchema, request);
          return updates.slice(Number(fromEventId));
        },
      },
      { MAX_BUFFERED_BYTES: String(8 * mebibyte) },
      { execArgv: measuredArgv, more: unretainedMemory },
    ),
  );

  /** Opens a stream, and reads nothing of its body. */
  async function subscribe(lastEventId = 0): Promise<IncomingMessage> {
    const resumed = lastEventId === 0 ? {} : { "Last-Event-ID": String(lastEventId) };
    const options = { headers: { ...headers, ...resumed }, agent: false };
    const [response] = (await once(get(`${gateway().url}/v1/workflows/w1/events`, options), "response")) as [
      IncomingMessage,
    ];
    assert.equal(response.statusCode, 200);
    // A closed connection is an error for a reader.
    return response.on("error", () => undefined);
  }

  const subscribeMany = (count: number) => Promise.all(Array.from({ length: count }, () => subscribe()));

  async function assertFollows(): Promise<void> {
    const { ids, length, isBroken } = await readEventIds(await subscribe());
    assert.deepEqual([isBroken, ids], [false, allIds]);
    assert.ok(length > allIds.length * updateBytes);
  }

  it("are disconnected above the limit, do not block others, and resume without a loss", async () => {
    const { url, memory } = gateway();
    const some = await subscribeMany(30);
    await assertFollows();
    const before = await memory();

    const more = await subscribeMany(120);
    await assertFollows();
    const after = await memory();
    const heldMore = after.held - before.held;
    assert.ok(heldMore < (120 * updateBytes) / 10, `${heldMore} bytes more are held`);
    const residentMore = after.resident - before.resident;
    assert.ok(residentMore < (120 * updateBytes) / 3, `${residentMore} bytes more are resident`);
    const disconnected = (await scrape(url)).get("foldforge_gateway_slow_clients_disconnected_total") ?? 0;
    assert.ok(disconnected > 100, `${disconnected} were disconnected`);

    // The first ones are disconnected to make room for the later ones.
    for (const response of some.slice(0, 3)) {
      const first = await readEventIds(response);
      assert.equal(first.isBroken, true);
      const second = await readEventIds(await subscribe(first.ids.at(-1)));
      assert.equal(second.isBroken, false);
      assert.deepEqual([...first.ids, ...second.ids], allIds);
    }
    for (const response of [...some, ...more]) response.destroy();
  });
});
