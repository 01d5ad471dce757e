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

/** A gateway in a process of its own, with the flags of the image in 512 MiB, before an orchestrator of bytes. */
async function startWorst(rpcs: Record<string, EncodedRpc>, settings: TestSettings = {}) {
  const upstream = await startEncodedUpstream({ ...allowAll, ...rpcs });
  const all = {
    BIND_ADDR: "127.0.0.1:0",
    API_TOKEN: adminToken,
    ORCHESTRATOR_ENDPOINT: upstream.url,
    // Longer than any wait for a slow machine.
    ORCHESTRATOR_RPC_TIMEOUT_SECONDS: "60",
    STALL_TIMEOUT_SECONDS: "600",
    DRAIN_DELAY_SECONDS: "0",
    SHUTDOWN_GRACE_SECONDS: "1",
    ...settings,
  };
  const gateway = runGateway(all, { execArgv: imageFlags(512 * mebibyte), isMeasured: true });
  const url = await gateway.started;
  const pid = gateway.child.pid!;
  const health = watchHealth(url, pid);
  return {
    url,
    health,
    /** Undefined where the system does not tell. */
    peakResident: () => peakResidentBytes(pid),
    async close() {
      await health.close();
      gateway.child.kill("SIGTERM");
      const { code, signal, lines } = await gateway.ended;
      await upstream.close();
      assert.deepEqual([code, signal], [0, null], "the process has lived");
      assert.deepEqual(
        lines.filter(({ level }) => level === "error"),
        [],
      );
    },
  };
}

/** A part of a workflow, as far as it was submitted. */
interface WorkflowJson {
  readonly name: string;
  readonly steps: readonly { readonly params: unknown }[];
}

interface PageJson {
  readonly workflows: readonly WorkflowJson[];
  readonly next_page_token: string;
}

/** The workflows of an orchestrator, by their ids: of each kind one, a part of the worst; and one that is the worst. */
const share = 0.3;
const bodies = new Map<string, string>([
  ...worstKinds.map((kind) => [kind, worstBody(kind, share)] as const),
  ["deepest", worstBody("deep")],
]);
const workflows = new Map<string, Uint8Array>(
  [...bodies].map(([id, body]) => [id, encodedWorkflow(encodedSpec(body), { id, state: SUCCEEDED })]),
);

/** The token of a page that comes after another one. */
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

/** Sends requests to a gateway, and sees that their responses are right. */
function clientOf(url: string) {
  const ask = (path: string, init: RequestInit = {}) => fetch(`${url}${path}`, { headers, ...init });

  function assertIs(id: string, workflow: WorkflowJson): void {
    const [came, sent] = [workflow, JSON.parse(bodies.get(id)!) as WorkflowJson].map(({ name, steps }) => ({
      name,
      params: steps.map(({ params }) => params),
    }));
    // Text is compared much faster, but for objects, whose keys have no order.
    const isSame = JSON.stringify(came) === JSON.stringify(sent) || isDeepStrictEqual(came, sent);
    assert.ok(isSame, `${id}: not what was submitted`);
  }

  return {
    ask,
    async submit(id: string) {
      const response = await ask("/v1/workflows", {
        method: "POST",
        headers: { Authorization: "Bearer a-key", "Content-Type": "application/json" },
        body: bodies.get(id)!,
      });
      assert.deepEqual([response.status, response.headers.get("Location")], [201, "/v1/workflows/new"]);
      assertIs(id, (await response.json()) as WorkflowJson);
    },
    async read(id: string) {
      const response = await ask(`/v1/workflows/${id}`);
      assert.equal(response.status, 200);
      assertIs(id, (await response.json()) as WorkflowJson);
    },
    /** Resolves to how many workflows there were. */
    async list(id: string, pageSize: number): Promise<number> {
      const response = await ask(`/v1/workflows?page_size=${pageSize}&page_token=${id}`);
      assert.equal(response.status, 200);
      const { workflows, next_page_token } = (await response.json()) as PageJson;
      assert.equal(next_page_token, nextToken);
      for (const workflow of workflows) assertIs(id, workflow);
      return workflows.length;
    },
    async follow(id: string) {
      const reader = readEvents(await ask(`/v1/workflows/${id}/events`));
      assert.equal(await reader.ended, "clean");
      const [{ id: eventId, data } = assert.fail("there was no event"), ...more] = reader.events;
      assert.deepEqual([eventId, more], ["1", []]);
      assertIs(id, (JSON.parse(data) as { workflow_update: WorkflowJson }).workflow_update);
    },
    async lookUp(id: string) {
      const response = await ask(`/v1/workflows/${id}/artifacts/nobody`);
      assert.equal(response.status, 404);
      await response.text();
    },
  };
}

const times = (count: number, act: () => Promise<unknown>) => Promise.all(Array.from({ length: count }, act));

/** The CPU time that this process takes to write a page as JSON in one go, in milliseconds: the least of a few. */
function msToWriteAtOnce(page: Uint8Array): number {
  const looks = Array.from({ length: 5 }, () => {
    const before = process.threadCpuUsage();
    workflowListTranscoder.write(new WireReader(page), page.length, new JsonWriter());
    const { user, system } = process.threadCpuUsage(before);
    return (user + system) / 1000;
  });
  return Math.min(...looks);
}

describe("a gateway whose workflows are the worst that it has accepted", () => {
  const worst = suite(() => startWorst(rpcs, { API_KEYS_ENABLED: "true" }));

  for (const kind of worstKinds) {
    it(`submits, reads, lists, follows and looks up as they are: ${kind}`, async () => {
      const { submit, read, list, follow, lookUp } = clientOf(worst().url);
      await submit(kind);
      await read(kind);
      await times(2, async () => assert.equal(await list(kind, 4), 4));
      await follow(kind);
      await lookUp(kind);
    });
  }

  it("answers for its health in the middle of a page, of reads and of submissions", async () => {
    const { url, health } = worst();
    const { list, read, submit, lookUp } = clientOf(url);
    const pageSize = 8;
    const atOnceMs = msToWriteAtOnce(pageOf("deepest", pageSize));
    await health.longest();
    await times(2, async () => assert.equal(await list("deepest", pageSize), pageSize));
    await times(4, () => read("deepest"));
    await times(4, () => lookUp("deepest"));
    await times(2, () => submit("deepest"));
    const { ownMs, longestMs } = await health.longest();
    const waitMs = ownMs ?? longestMs;
    assert.ok(waitMs < atOnceMs / 2, `waited ${waitMs} ms; the page takes ${atOnceMs} ms in one go`);
  });
});

describe("64 submissions of 60 KB that come at once", () => {
  const worst = suite(() => startWorst(rpcs, { API_KEYS_ENABLED: "true" }));
  const count = 64;
  const body = Buffer.from(worstBody("deep", 0.06));

  it("do not keep the gateway from answering for its health", async () => {
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
    const atOnceMs = (user + system) / 1000;
    const waitMs = ownMs ?? longestMs;
    assert.ok(waitMs < atOnceMs / 3, `waited ${waitMs} ms; all take ${atOnceMs} ms in one go`);
  });
});

describe("submissions that the orchestrator is slow to answer", () => {
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

  it("are held as messages only, and the process lives", async () => {
    const { ask } = clientOf(worst().url);
    const body = bodies.get("deepest")!;
    await times(count, async () => {
      const response = await ask("/v1/workflows", {
        method: "POST",
        headers: { ...headers, "Content-Type": "application/json" },
        body,
      });
      assert.equal(response.status, 201);
    });
  });
});

describe("a gateway with room for 32 MiB of messages", () => {
  const maxBuffered = 32 * mebibyte;
  const worst = suite(() =>
    startWorst(rpcs, { MAX_BUFFERED_BYTES: String(maxBuffered), API_KEYS_ENABLED: "true" }),
  );

  it("takes less than 80 MiB more for 24 pages at once", async function () {
    const { url, peakResident } = worst();
    const { ask } = clientOf(url);
    const before = peakResident();
    await times(24, async () => {
      const response = await ask("/v1/workflows?page_size=8&page_token=deepest");
      assert.equal(response.status, 200);
      // Read, and no more: to parse it would keep the others from being read.
      await response.arrayBuffer();
    });
    const after = peakResident();
    if (before === undefined || after === undefined) return this.skip();
    assert.ok(after - before < 2.5 * maxBuffered, `${before} bytes, then ${after}`);
  });

  it("serves another key's large reads while one asks for 32 pages", async () => {
    const { ask } = clientOf(worst().url);
    const read = async (path: string, key: string) => {
      const response = await ask(path, { headers: { Authorization: `Bearer ${key}` } });
      assert.equal(response.status, 200);
      await response.arrayBuffer();
    };
    const pages = 32;
    let done = 0;
    const first = Promise.withResolvers<undefined>();
    const all = times(pages, async () => {
      await read("/v1/workflows?page_size=8&page_token=deepest", "a-key");
      done += 1;
      first.resolve(undefined);
    });
    await first.promise;
    const before = done;
    for (const id of worstKinds) await read(`/v1/workflows/${id}`, "another-key");
    const meanwhile = done - before;
    // One page or two are worked on when a read comes.
    assert.ok(meanwhile < (pages - before) / 2, `${meanwhile} of ${pages} pages came before six reads`);
    await all;
  });

  it("takes less than 96 MiB more for 12 compressed pages of what becomes six times as long", async function () {
    const { url, peakResident } = worst();
    const before = peakResident();
    await times(12, async () => {
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

describe("clients that read nothing of large updates", () => {
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

  /** Subscribes, and reads nothing but the head of the response. */
  async function subscribe(more: Record<string, string> = {}): Promise<IncomingMessage> {
    const options = { headers: { ...headers, ...more }, agent: false };
    const [response] = (await once(get(`${gateway().url}/v1/workflows/w1/events`, options), "response")) as [
      IncomingMessage,
    ];
    assert.equal(response.statusCode, 200);
    // A connection that was cut says so to whoever reads on.
    return response.on("error", () => undefined);
  }

  const subscribeMany = (count: number) => Promise.all(Array.from({ length: count }, () => subscribe()));
  const readOn = (response: IncomingMessage) => readEvents(new Response(Readable.toWeb(response)));
  const idsOf = ({ events }: EventReader) => events.map(({ id }) => Number(id));
  const allIds = Array.from({ length: Number(updates) }, (_, index) => index + 1);

  async function assertFollows(): Promise<void> {
    const reader = readOn(await subscribe());
    assert.equal(await reader.ended, "clean");
    assert.deepEqual(idsOf(reader), allIds);
    for (const { data } of reader.events) assert.ok(data.length > updateBytes);
  }

  it("are cut where they are too many, keep nobody from reading, and resume without a loss", async () => {
    const { url, peakResident } = gateway();
    const some = await subscribeMany(30);
    await assertFollows();
    const before = peakResident();

    const more = await subscribeMany(120);
    await assertFollows();
    const after = peakResident();
    if (before !== undefined && after !== undefined) {
      assert.ok(after - before < (120 * updateBytes) / 3, `${before} bytes, then ${after}`);
    }
    const cuts = (await scrape(url)).get("foldforge_gateway_slow_clients_disconnected_total") ?? 0;
    assert.ok(cuts > 100, `${cuts} were cut`);

    // The first ones are cut for those who come later.
    for (const response of some.slice(0, 3)) {
      const first = readOn(response);
      assert.equal(await first.ended, "broken");
      const ids = idsOf(first);
      const second = readOn(await subscribe(ids.length === 0 ? {} : { "Last-Event-ID": String(ids.at(-1)) }));
      assert.equal(await second.ended, "clean");
      assert.deepEqual([...ids, ...idsOf(second)], allIds);
    }
    for (const response of [...some, ...more]) response.destroy();
  });
});
