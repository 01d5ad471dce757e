import assert from "node:assert/strict";
import { once } from "node:events";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import { suite } from "../support/gateway.ts";
import { serveBytes, startTestStore, storeSettings } from "../support/object-store.ts";
import { sha256, workflowIn } from "../support/samples.ts";
import { deferred, startStack } from "../support/stack.ts";

const bytes = Buffer.from("ATOM      1  N   GLY A   1\n".repeat(20_000));
const artifact = {
  uri: "r2://foldforge/a.pdb",
  contentType: "chemical/x-pdb",
  sizeBytes: BigInt(bytes.length),
  sha256: sha256(bytes),
};
const path = "/v1/workflows/w1/artifacts/a.pdb";
const route = "/v1/workflows/{id}/artifacts/{key}";

describe("GET /v1/workflows/{id}/artifacts/{key}, failed transfers", () => {
  const store = suite(startTestStore);
  const stack = suite(() =>
    startStack({ getWorkflow: () => workflowIn(JobState.SUCCEEDED, [artifact]) }, storeSettings(store())),
  );

  it("closes the store's connection when the client disconnects, and logs no error", async () => {
    const gone = deferred();
    const { logs, logged } = stack().gateway;
    const before = logs.length;
    store().respond = (_req, res) => {
      res.once("close", gone.resolve);
      res.writeHead(200, { "Content-Length": bytes.length });
      res.write(bytes.subarray(0, 200_000));
    };
    const controller = new AbortController();
    const response = await stack().gateway.fetch(path, { signal: controller.signal });
    await response.body?.getReader().read();
    controller.abort();
    await gone.promise;
    const linesSince = () => stack().gateway.logs.slice(before);
    while (linesSince().length === 0) await once(logged, "line");
    // The line of the error would come before that of the next request.
    await stack().gateway.fetch("/v1/healthz");
    assert.deepEqual(
      linesSince().map(({ event, path, complete }) => ({ event, path, complete })),
      [
        { event: "request.completed", path: route, complete: false },
        { event: "request.completed", path: "/v1/healthz", complete: true },
      ],
    );
  });

  it("returns 500 for a small file of other bytes, and counts that status", async () => {
    const small = { ...artifact, sizeBytes: 4n, sha256: sha256(Buffer.from("good")) };
    stack().upstream.rpcs.getWorkflow = () => workflowIn(JobState.SUCCEEDED, [small]);
    store().respond = serveBytes(Buffer.from("evil"));
    const response = await stack().gateway.fetch(path);
    assert.equal(response.status, 500);
    assert.equal(response.headers.get("etag"), null);
    assert.match(await response.text(), /"internal server error"/);
    const metrics = await (await stack().gateway.fetch("/metrics")).text();
    assert.match(metrics, /requests_total\{method="GET",path="[^"]+\{key\}",status="500"\} [1-9]/);
  });
});

describe("GET /v1/workflows/{id}/artifacts/{key}, SHA-256 in the metadata", () => {
  const store = suite(startTestStore);
  const stack = suite(() => startStack({}, storeSettings(store())));

  /** Downloads the file with `text` as its SHA-256 in the metadata and with `stored` in the store. */
  async function download(text: string, stored: Buffer, init: RequestInit = {}) {
    stack().upstream.rpcs.getWorkflow = () => workflowIn(JobState.SUCCEEDED, [{ ...artifact, sha256: text }]);
    store().respond = serveBytes(stored);
    const response = await stack().gateway.fetch(path, init);
    const { status, headers } = response;
    const body = await response.arrayBuffer().then(Buffer.from, () => undefined);
    return { status, etag: headers.get("etag"), body };
  }

  const otherBytes = Buffer.from(bytes).reverse();
  const { sha256: digest } = artifact;

  it("verifies a SHA-256 in upper case, and sends it in lower case as the ETag", async () => {
    const valid = await download(digest.toUpperCase(), bytes);
    assert.deepEqual([valid.status, valid.etag], [200, `"${digest}"`]);
    assert.ok(valid.body?.equals(bytes));
    const { status, body } = await download(digest.toUpperCase(), otherBytes);
    assert.ok(status === 500 || body === undefined, "a wrong file looks complete");
  });

  it("verifies only the length without a SHA-256", async () => {
    const { status, etag, body } = await download("", otherBytes);
    assert.deepEqual([status, etag], [200, null]);
    assert.ok(body?.equals(otherBytes));
  });

  for (const [what, init] of [
    ["GET", {}],
    ["GET of a part", { headers: { Range: "bytes=0-3" } }],
    ["GET with If-None-Match", { headers: { "If-None-Match": "*" } }],
    ["HEAD", { method: "HEAD" }],
  ] as const)
    it(`returns 500 to a ${what} with an invalid SHA-256, without a request to the store, and logs why`, async () => {
      const { gateway } = stack();
      const [logged, requests] = [gateway.logs.length, store().requests.length];
      const { status, etag } = await download(`sha256:${digest}`, bytes, init);
      assert.deepEqual([status, etag, store().requests.length], [500, null, requests]);
      // The lines of a request are written before the response to the next one.
      await gateway.fetch("/v1/healthz");
      const errors = gateway.logs.slice(logged).filter(({ event }) => event === "request.failed");
      assert.equal(errors.length, 1);
      assert.match(JSON.stringify(errors), /invalid SHA-256/);
    });
});
