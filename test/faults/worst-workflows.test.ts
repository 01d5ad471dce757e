import assert from "node:assert/strict";
import { once } from "node:events";
import { get, request } from "node:http";
import type { IncomingMessage } from "node:http";
import { Readable } from "node:stream";
import { isDeepStrictEqual } from "node:util";
import { fromBinary } from "@bufbuild/protobuf";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import {
  GetWorkflowRequestSchema,
  ListWorkflowsRequestSchema,
  StreamWorkflowEventsRequestSchema,
} from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import { JsonWriter } from "../../src/mapping/json-writer.ts";
import { workflowListTranscoder } from "../../src/mapping/workflow.ts";
import { WireReader } from "../../src/mapping/wire-reader.ts";
import { allowAll, startEncodedUpstream } from "../support/encoded-upstream.ts";
import type { EncodedRpc } from "../support/encoded-upstream.ts";
import { readEvents } from "../support/event-reader.ts";
import type { EventReader } from "../support/event-reader.ts";
import { runGateway } from "../support/gateway-process.ts";
import { adminToken, suite } from "../support/gateway.ts";
import type { TestSettings } from "../support/gateway.ts";
import { watchHealth } from "../support/health-watch.ts";
import { imageFlags } from "../support/image-flags.ts";
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

const mebibyte = 1024 * 1024;
const { QUEUED, RUNNING, SUCCEEDED } = JobState;
const headers = { Authorization: `Bearer ${adminToken}` };

/** A gateway process with the flags of the image and 512 MiB, and an orchestrator that sends prepared bytes. */
async function startWorst(rpcs: Record<string, EncodedRpc>, settings: TestSettings = {}) {
  const upstream = await startEncodedUpstream({ ...allowAll, ...rpcs });
  const all = {
    BIND_ADDR: "127.0.0.1:0",
    API_TOKEN: adminToken,
    ORCHESTRATOR_ENDPOINT: upstream.url,
    // Longer than anything takes on a slow machine.
    ORCHESTRATOR_RPC_TIMEOUT_SECONDS: "60",
    STALL_TIMEOUT_SECONDS: "600",
    DRAIN_DELAY_SECONDS: "0",
    SHUTDOWN_GRACE_SECONDS: "1",
    ...settings,
  };
  const gateway = runGateway(all, { execArgv: imageFlags(512 * mebibyte) });
  const url = await gateway.started;
  const pid = gateway.child.pid!;
  const health = watchHealth(url, pid);
  return {
    url,
    health,
    /** Undefined when the system does not report it. */
    peakResident: () => peakResidentBytes(pid),
    async close() {
      await health.close();
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

/** The submitted part of a workflow. */
interface WorkflowJson {
  readonly name: string;
  readonly steps: readonly { readonly params: unknown }[];
}

interface PageJson {
  readonly workflows: readonly WorkflowJson[];
  readonly next_page_token: string;
}

/** The workflows by id: one of each kind, smaller than the worst, and the worst of one kind. */
const share = 0.3;
const bodies = new Map<string, string>([
  ...worstKinds.map((kind) => [kind, worstBody(kind, share)] as const),
  ["deepest", worstBody("deep")],
]);
const workflows = new Map<string, Uint8Array>(
  [...bodies].map(([id, body]) => [id, encodedWorkflow(encodedSpec(body), { id, state: SUCCEEDED })]),
);

/** The token of the next page. */
const nextToken = "more";

const rpcs: Record<string, EncodedRpc> = {
  SubmitWorkflow: (request) => [encodedWorkflow(specIn(request), { id: "new", state: QUEUED })],
  GetWorkflow: (request) => [workflows.get(fromBinary(GetWorkflowRequestSchema, request).workflowId)!],
  ListWorkflows(request) {
    const { pageSize, pageToken } = fromBinary(ListWorkflowsRequestSchema, request);
    return [pageOf(pageToken, pageSize)];
  },
  StreamWorkflowEvents(request) {
    const { workflowId } = fromBinary(StreamWorkflowEventsRequestSchema, request);
    return [encodedUpdate(workflows.get(workflowId)!, { workflowId, eventId: 1n })];
  },
};

function pageOf(id: string, size: number): Uint8Array {
  return encodedPage(Array<Uint8Array>(size).fill(workflows.get(id)!), nextToken);
}

/** Sends requests to a gateway and checks the responses. */
function clientOf(url: string) {
  const send = (path: string, init: RequestInit = {}) => fetch(`${url}${path}`, { headers, ...init });

  function assertIs(id: string, workflow: WorkflowJson): void {
    const [received, sent] = [workflow, JSON.parse(bodies.get(id)!) as WorkflowJson].map(
      ({ name, steps }) => ({
        name,
        params: steps.map(({ params }) => params),
      }),
    );
    // Comparing text is much faster, but the keys of objects have no order.
    const isSame = JSON.stringify(received) === JSON.stringify(sent) || isDeepStrictEqual(received, sent);
    assert.ok(isSame, `${id}: differs from the submission`);
  }

  return {
    send,
    async submit(id: string) {
      const response = await send("/v1/workflows", {
        method: "POST",
        headers: { Authorization: "Bearer a-key", "Content-Type": "application/json" },
        body: bodies.get(id)!,
      });
      assert.deepEqual([response.status, response.headers.get("Location")], [201, "/v1/workflows/new"]);
      assertIs(id, (await response.json()) as WorkflowJson);
    },
    async read(id: string) {
      const response = await send(`/v1/workflows/${id}`);
      assert.equal(response.status, 200);
      assertIs(id, (await response.json()) as WorkflowJson);
    },
    /** Resolves to the number of workflows. */
    async list(id: string, pageSize: number): Promise<number> {
      const response = await send(`/v1/workflows?page_size=${pageSize}&page_token=${id}`);
      assert.equal(response.status, 200);
      const { workflows, next_page_token } = (await response.json()) as PageJson;
      assert.equal(next_page_token, nextToken);
      for (const workflow of workflows) assertIs(id, workflow);
      return workflows.length;
    },
    async follow(id: string) {
      const reader = readEvents(await send(`/v1/workflows/${id}/events`));
      assert.equal(await reader.ended, "clean");
      const [{ id: eventId, data } = assert.fail("there was no event"), ...more] = reader.events;
      assert.deepEqual([eventId, more], ["1", []]);
      assertIs(id, (JSON.parse(data) as { workflow_update: WorkflowJson }).workflow_update);
    },
    async lookUp(id: string) {
      const response = await send(`/v1/workflows/${id}/artifacts/nobody`);
      assert.equal(response.status, 404);
      await response.text();
    },
  };
}

const times = (count: number, act: () => Promise<unknown>) => Promise.all(Array.from({ length: count }, act));

/** The least CPU time of a few runs that write a page as JSON without a pause, in milliseconds. */
function msToWriteSync(page: Uint8Array): number {
  const runs = Array.from({ length: 3 }, () => {
    const before = process.threadCpuUsage();
    workflowListTranscoder.write(new WireReader(page), page.length, new JsonWriter());
    const { user, system } = process.threadCpuUsage(before);
    return (user + system) / 1000;
  });
  return Math.min(...runs);
}

describe("a gateway with the worst workflows that it accepts", () => {
  const worst = suite(() => startWorst(rpcs, { API_KEYS_ENABLED: "true" }));

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
    const { url, health } = worst();
    const { list, read, submit, lookUp } = clientOf(url);
    const pageSize = 6;
    const syncMs = msToWriteSync(pageOf("deepest", pageSize));
    await health.longest();
    await times(2, async () => assert.equal(await list("deepest", pageSize), pageSize));
    await times(2, () => read("deepest"));
    await times(2, () => lookUp("deepest"));
    await times(2, () => submit("deepest"));
    const { ownMs, longestMs } = await health.longest();
    const waitMs = ownMs ?? longestMs;
    assert.ok(waitMs < syncMs / 2, `waited ${waitMs} ms; the page takes ${syncMs} ms without a pause`);
  });
});

describe("64 concurrent submissions of 60 KB", () => {
  const worst = suite(() => startWorst(rpcs, { API_KEYS_ENABLED: "true" }));
  const count = 64;
  const body = Buffer.from(worstBody("deep", 0.06));

  it("do not delay health checks", async () => {
    const { url, health } = worst();
    const { submit } = clientOf(url);
    await submit("text");
    const requests = Array.from({ length: count }, () =>
      request(`${url}/v1/workflows`, {
        method: "POST",
        agent: false,
        headers: { ...headers, "Content-Type": "application/json", "Content-Length": body.length },
      }),
    );
    const responses = requests.map(async (post) => {
      const [response] = (await once(post, "response")) as [IncomingMessage];
      assert.equal(response.statusCode, 201);
      await once(response.resume(), "end");
    });
    await Promise.all(
      requests.map((post) => new Promise((resolve) => post.write(body.subarray(0, -1), resolve))),
    );
    await health.longest();
    for (const post of requests) post.end(body.subarray(-1));
    await Promise.all(responses);
    const { ownMs, longestMs } = await health.longest();
    const before = process.threadCpuUsage();
    for (let index = 0; index < count; index += 1) encodedSpec(body.toString());
    const { user, system } = process.threadCpuUsage(before);
    const syncMs = (user + system) / 1000;
    const waitMs = ownMs ?? longestMs;
    assert.ok(waitMs < syncMs / 3, `waited ${waitMs} ms; all take ${syncMs} ms without a pause`);
  });
});

describe("large submissions to a slow orchestrator", () => {
  const count = 12;
  const accepted = encodedWorkflow(encodedSpec(worstBody("text", 0.001)), { id: "new", state: QUEUED });

  const worst = suite(() => {
    const all = Promise.withResolvers<undefined>();
    let calls = 0;
    return startWorst({
      async *SubmitWorkflow() {
        calls += 1;
        if (calls === count) all.resolve(undefined);
        await all.promise;
        yield accepted;
      },
    });
  });

  it("are held as messages only, so that memory suffices", async () => {
    const { send } = clientOf(worst().url);
    const body = bodies.get("deepest")!;
    await times(count, async () => {
      const response = await send("/v1/workflows", {
        method: "POST",
        headers: { ...headers, "Content-Type": "application/json" },
        body,
      });
      assert.equal(response.status, 201);
    });
  });
});

describe("a gateway with MAX_BUFFERED_BYTES of 32 MiB", () => {
  const maxBuffered = 32 * mebibyte;
  const worst = suite(() =>
    startWorst(rpcs, { MAX_BUFFERED_BYTES: String(maxBuffered), API_KEYS_ENABLED: "true" }),
  );

  it("uses less than 80 MiB more for 12 concurrent pages", async function () {
    const { url, peakResident } = worst();
    const { send } = clientOf(url);
    const before = peakResident();
    await times(12, async () => {
      const response = await send("/v1/workflows?page_size=8&page_token=deepest");
      assert.equal(response.status, 200);
      // Not parsed, which would delay the other reads.
      await response.arrayBuffer();
    });
    const after = peakResident();
    if (before === undefined || after === undefined) return this.skip();
    assert.ok(after - before < 2.5 * maxBuffered, `${before} bytes, then ${after}`);
  });

  it("serves another key's large reads while one key reads 16 pages", async () => {
    const { send } = clientOf(worst().url);
    const read = async (path: string, key: string) => {
      const response = await send(path, { headers: { Authorization: `Bearer ${key}` } });
      assert.equal(response.status, 200);
      await response.arrayBuffer();
    };
    const pages = 16;
    let done = 0;
    const first = Promise.withResolvers<undefined>();
    const all = times(pages, async () => {
      await read("/v1/workflows?page_size=8&page_token=deepest", "a-key");
      done += 1;
      first.resolve(undefined);
    });
    await Promise.race([first.promise, all]);
    const before = done;
    for (const id of worstKinds.slice(0, 3)) await read(`/v1/workflows/${id}`, "another-key");
    const meanwhile = done - before;
    // One or two pages are in progress when a read arrives.
    assert.ok(
      meanwhile < (pages - before) / 2,
      `${meanwhile} of ${pages} pages were served before three reads`,
    );
    await all;
  });

  it("uses less than 96 MiB more for 6 compressed pages whose JSON is six times as long", async function () {
    const { url, peakResident } = worst();
    const before = peakResident();
    await times(6, async () => {
      const target = `${url}/v1/workflows?page_size=100&page_token=escapes`;
      const request = get(target, { agent: false, headers: { ...headers, "Accept-Encoding": "gzip" } });
      const [response] = (await once(request, "response")) as [IncomingMessage];
      assert.deepEqual([response.statusCode, response.headers["content-encoding"]], [200, "gzip"]);
      await once(response.resume(), "end");
    });
    const after = peakResident();
    if (before === undefined || after === undefined) return this.skip();
    assert.ok(after - before < 3 * maxBuffered, `${before} bytes, then ${after}`);
  });
});

describe("clients that do not read large events", () => {
  const updates = 16n;
  const spec = encodedSpec(worstBody("text"));
  const updateBytes = spec.length;

  const gateway = suite(() =>
    startWorst(
      {
        GetWorkflow: () => [encodedWorkflow(spec, { id: "w1", state: RUNNING })],
        *StreamWorkflowEvents(request) {
          const { fromEventId } = fromBinary(StreamWorkflowEventsRequestSchema, request);
          for (let eventId = fromEventId + 1n; eventId <= updates; eventId += 1n) {
            const state = eventId === updates ? SUCCEEDED : RUNNING;
            yield encodedUpdate(encodedWorkflow(spec, { id: "w1", state }), { workflowId: "w1", eventId });
          }
        },
      },
      { MAX_BUFFERED_BYTES: String(8 * mebibyte) },
    ),
  );

  /** Opens a stream, and reads nothing of its body. */
  async function subscribe(more: Record<string, string> = {}): Promise<IncomingMessage> {
    const options = { headers: { ...headers, ...more }, agent: false };
    const [response] = (await once(get(`${gateway().url}/v1/workflows/w1/events`, options), "response")) as [
      IncomingMessage,
    ];
    assert.equal(response.statusCode, 200);
    // A closed connection is an error for a reader.
    return response.on("error", () => undefined);
  }

  const subscribeMany = (count: number) => Promise.all(Array.from({ length: count }, () => subscribe()));
  const continueReading = (response: IncomingMessage) => readEvents(new Response(Readable.toWeb(response)));
  const idsOf = ({ events }: EventReader) => events.map(({ id }) => Number(id));
  const allIds = Array.from({ length: Number(updates) }, (_, index) => index + 1);

  async function assertFollows(): Promise<void> {
    const reader = continueReading(await subscribe());
    assert.equal(await reader.ended, "clean");
    assert.deepEqual(idsOf(reader), allIds);
    for (const { data } of reader.events) assert.ok(data.length > updateBytes);
  }

  it("are disconnected above the limit, do not block others, and resume without a loss", async () => {
    const { url, peakResident } = gateway();
    const some = await subscribeMany(30);
    await assertFollows();
    const before = peakResident();

    const more = await subscribeMany(120);
    await assertFollows();
    const after = peakResident();
    if (before !== undefined && after !== undefined) {
      assert.ok(after - before < (120 * updateBytes) / 2, `${before} bytes, then ${after}`);
    }
    const disconnected = (await scrape(url)).get("foldforge_gateway_slow_clients_disconnected_total") ?? 0;
    assert.ok(disconnected > 100, `${disconnected} were disconnected`);

    // The first ones are disconnected to make room for the later ones.
    for (const response of some.slice(0, 3)) {
      const first = continueReading(response);
      assert.equal(await first.ended, "broken");
      const ids = idsOf(first);
      const second = continueReading(
        await subscribe(ids.length === 0 ? {} : { "Last-Event-ID": String(ids.at(-1)) }),
      );
      assert.equal(await second.ended, "clean");
      assert.deepEqual([...ids, ...idsOf(second)], allIds);
    }
    for (const response of [...some, ...more]) response.destroy();
  });
});
