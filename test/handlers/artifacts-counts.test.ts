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

describe("GET /v1/workflows/{id}/artifacts/{key}, metrics", () => {
  const store = suite(startTestStore);
  const stack = suite(() => startStack({}, { ...storeSettings(store()), MAX_DOWNLOADS: "1" }));
  beforeEach("one artifact", () => {
    stack().upstream.rpcs.getWorkflow = () => workflowIn(JobState.SUCCEEDED, [artifact]);
    store().respond = serveBytes(bytes);
  });

  /** The outcomes counted for one download, and the bytes sent. */
  async function counted(init: RequestInit = {}, at = path) {
    const { gateway } = stack();
    let increases = {};
    const sent = await increasesDuring(gateway.url, sentBytes, async () => {
      increases = await increasesDuring(gateway.url, outcomes, async () => {
        await (await gateway.fetch(at, init)).arrayBuffer().catch(() => undefined);
      });
    });
    return { increases, sent: sent[sentBytes] ?? 0 };
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
    it(`counts ${outcome} and the bytes for ${JSON.stringify(init)}`, async () => {
      assert.deepEqual(await counted(init), { increases: { [outcome]: 1 }, sent });
    });

  it("counts not_found for an unknown output, and for an object missing in the store", async () => {
    assert.deepEqual(await counted({}, `${path}x`), { increases: { not_found: 1 }, sent: 0 });
    store().respond = (_req, res) => sendS3Error(res, 404, "NoSuchKey");
    assert.deepEqual(await counted(), { increases: { not_found: 1 }, sent: 0 });
  });

  it("counts mismatch for bytes that differ from the metadata, and sends not all of them", async () => {
    store().respond = serveBytes(Buffer.from(bytes).reverse());
    const { increases, sent } = await counted();
    assert.deepEqual(increases, { mismatch: 1 });
    assert.ok(sent < bytes.length, `${sent} bytes`);
    store().respond = serveBytes(bytes.subarray(1));
    assert.deepEqual(await counted(), { increases: { mismatch: 1 }, sent: 0 });
  });

  it("counts store_failed for an error of the store, and for a transfer that breaks", async () => {
    store().respond = (_req, res) => sendS3Error(res, 403, "AccessDenied");
    assert.deepEqual(await counted(), { increases: { store_failed: 1 }, sent: 0 });
    store().respond = (_req, res) => {
      res.writeHead(200, { "Content-Length": bytes.length });
      res.write(bytes.subarray(0, 100_000), () => res.destroy());
    };
    assert.deepEqual((await counted()).increases, { store_failed: 1 });
  });

  it("counts failed for an error of the orchestrator", async () => {
    stack().upstream.rpcs.getWorkflow = () => {
      throw new ConnectError("down", Code.Unavailable);
    };
    assert.deepEqual((await counted()).increases, { failed: 1 });
  });

  it("counts aborted for a client that disconnects, and rejected above the limit; the gauge has the open downloads", async () => {
    const { gateway } = stack();
    const open = async () => (await scrape(gateway.url)).get("foldforge_gateway_open_artifact_downloads");
    const controller = new AbortController();
    const increases = await increasesDuring(gateway.url, outcomes, async () => {
      store().respond = (_req, res) => {
        res.writeHead(200, { "Content-Length": bytes.length });
        res.write(bytes.subarray(0, 200_000));
      };
      const response = await gateway.fetch(path, { signal: controller.signal });
      await response.body?.getReader().read();
      assert.equal(await open(), 1);
      assert.equal((await gateway.fetch(path)).status, 503);
      const before = gateway.logs.length;
      controller.abort();
      while (!gateway.logs.slice(before).some(({ complete }) => complete === false)) {
        await once(gateway.logged, "line");
      }
    });
    assert.deepEqual(increases, { aborted: 1, rejected: 1 });
    assert.equal(await open(), 0);
  });

  it("counts rejected without an object store, and nothing for a request with 401", async () => {
    await using bare = await startDisposableStack({
      getWorkflow: () => workflowIn(JobState.SUCCEEDED, [artifact]),
    });
    const increases = await increasesDuring(bare.gateway.url, outcomes, async () => {
      assert.equal((await bare.gateway.fetch(path)).status, 503);
      assert.equal((await bare.gateway.fetch(path, { token: null })).status, 401);
    });
    assert.deepEqual(increases, { rejected: 1 });
  });
});
