import assert from "node:assert/strict";
import { once } from "node:events";
import { Code, ConnectError } from "@connectrpc/connect";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import { suite } from "../support/gateway.ts";
import { increasesDuring, scrape } from "../support/metrics.ts";
import { sendS3Error, serveBytes, startTestStore, storeSettings } from "../support/object-store.ts";
import { sha256, workflowIn } from "../support/samples.ts";
import { startDisposableStack, startStack } from "../support/stack.ts";

const bytes = Buffer.from("ATOM      1  N   GLY A   1\n".repeat(20_000));
const artifact = {
  uri: "r2://foldforge/a.pdb",
  contentType: "chemical/x-pdb",
  sizeBytes: BigInt(bytes.length),
  sha256: sha256(bytes),
};
const path = "/v1/workflows/w1/artifacts/a.pdb";
const outcomes = "foldforge_gateway_artifact_downloads_total";
const sentBytes = "foldforge_gateway_artifact_sent_bytes_total";

describe("GET /v1/workflows/{id}/artifacts/{key}: what is counted", () => {
  const store = suite(startTestStore);
  const stack = suite(() => startStack({}, { ...storeSettings(store()), MAX_DOWNLOADS: "1" }));
  beforeEach("one artifact", () => {
    stack().upstream.rpcs.getWorkflow = () => workflowIn(JobState.SUCCEEDED, [artifact]);
    store().respond = serveBytes(bytes);
  });

  /** What is counted of one download, and how many bytes it has brought. */
  async function counted(init: RequestInit = {}, at = path) {
    const { gateway } = stack();
    let rises = {};
    const sent = await increasesDuring(gateway.url, sentBytes, async () => {
      rises = await increasesDuring(gateway.url, outcomes, async () => {
        await (await gateway.fetch(at, init)).arrayBuffer().catch(() => undefined);
      });
    });
    return { rises, sent: sent[sentBytes] ?? 0 };
  }

  const kinds: [outcome: string, init: RequestInit, sent: number][] = [
    ["complete", {}, bytes.length],
    ["partial", { headers: { Range: "bytes=100-299" } }, 200],
    ["head", { method: "HEAD" }, 0],
    ["not_modified", { headers: { "If-None-Match": `"${artifact.sha256}"` } }, 0],
    ["precondition_failed", { headers: { "If-Match": '"other"' } }, 0],
    ["range_not_satisfiable", { headers: { Range: `bytes=${bytes.length}-` } }, 0],
  ];
  for (const [outcome, init, sent] of kinds)
    it(`is ${outcome} and its bytes for ${JSON.stringify(init)}`, async () => {
      assert.deepEqual(await counted(init), { rises: { [outcome]: 1 }, sent });
    });

  it("is not_found for an output that there is not, and for one that the store has lost", async () => {
    assert.deepEqual(await counted({}, `${path}x`), { rises: { not_found: 1 }, sent: 0 });
    store().respond = (_req, res) => sendS3Error(res, 404, "NoSuchKey");
    assert.deepEqual(await counted(), { rises: { not_found: 1 }, sent: 0 });
  });

  it("is mismatch for bytes that are not the promised ones, of which the last are not sent", async () => {
    store().respond = serveBytes(Buffer.from(bytes).reverse());
    const { rises, sent } = await counted();
    assert.deepEqual(rises, { mismatch: 1 });
    assert.ok(sent < bytes.length, `${sent} bytes`);
    store().respond = serveBytes(bytes.subarray(1));
    assert.deepEqual(await counted(), { rises: { mismatch: 1 }, sent: 0 });
  });

  it("is store_failed for a store that refuses, and for a transfer that breaks", async () => {
    store().respond = (_req, res) => sendS3Error(res, 403, "AccessDenied");
    assert.deepEqual(await counted(), { rises: { store_failed: 1 }, sent: 0 });
    store().respond = (_req, res) => {
      res.writeHead(200, { "Content-Length": bytes.length });
      res.write(bytes.subarray(0, 100_000), () => res.destroy());
    };
    assert.deepEqual((await counted()).rises, { store_failed: 1 });
  });

  it("is failed for an orchestrator that fails", async () => {
    stack().upstream.rpcs.getWorkflow = () => {
      throw new ConnectError("down", Code.Unavailable);
    };
    assert.deepEqual((await counted()).rises, { failed: 1 });
  });

  it("is aborted for a client that leaves, and refused for one beyond the bound; the gauge tells which are open", async () => {
    const { gateway } = stack();
    const open = async () => (await scrape(gateway.url)).get("foldforge_gateway_open_artifact_downloads");
    const leaving = new AbortController();
    const rises = await increasesDuring(gateway.url, outcomes, async () => {
      store().respond = (_req, res) => {
        res.writeHead(200, { "Content-Length": bytes.length });
        res.write(bytes.subarray(0, 200_000));
      };
      const answer = await gateway.fetch(path, { signal: leaving.signal });
      await answer.body?.getReader().read();
      assert.equal(await open(), 1);
      assert.equal((await gateway.fetch(path)).status, 503);
      const before = gateway.logs.length;
      leaving.abort();
      while (!gateway.logs.slice(before).some(({ complete }) => complete === false)) {
        await once(gateway.logged, "line");
      }
    });
    assert.deepEqual(rises, { aborted: 1, refused: 1 });
    assert.equal(await open(), 0);
  });

  it("is refused where no store is configured, and nothing for who is not let in", async () => {
    await using bare = await startDisposableStack({
      getWorkflow: () => workflowIn(JobState.SUCCEEDED, [artifact]),
    });
    const rises = await increasesDuring(bare.gateway.url, outcomes, async () => {
      assert.equal((await bare.gateway.fetch(path)).status, 503);
      assert.equal((await bare.gateway.fetch(path, { token: null })).status, 401);
    });
    assert.deepEqual(rises, { refused: 1 });
  });
});
