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

describe("GET /v1/workflows/{id}/artifacts/{key}, when a transfer fails", () => {
  const store = suite(startTestStore);
  const stack = suite(() =>
    startStack({ getWorkflow: () => workflowIn(JobState.SUCCEEDED, [artifact]) }, storeSettings(store())),
  );

  it("lets go of the store's connection when the client goes away, and takes it for no error", async () => {
    const gone = deferred();
    const { logs, logged } = stack().gateway;
    const before = logs.length;
    store().respond = (_req, res) => {
      res.once("close", gone.resolve);
      res.writeHead(200, { "Content-Length": bytes.length });
      res.write(bytes.subarray(0, 200_000));
    };
    const leaving = new AbortController();
    const answer = await stack().gateway.fetch(path, { signal: leaving.signal });
    await answer.body?.getReader().read();
    leaving.abort();
    await gone.promise;
    const linesSince = () => stack().gateway.logs.slice(before);
    while (linesSince().length === 0) await once(logged, "line");
    // The error's line would come before the next request's.
    await stack().gateway.fetch("/v1/healthz");
    assert.deepEqual(
      linesSince().map(({ event, path, complete }) => ({ event, path, complete })),
      [
        { event: "http.request", path: route, complete: false },
        { event: "http.request", path: "/v1/healthz", complete: true },
      ],
    );
  });

  it("answers 500 to a small file of other bytes, and counts it as that", async () => {
    const small = { ...artifact, sizeBytes: 4n, sha256: sha256(Buffer.from("good")) };
    stack().upstream.rpcs.getWorkflow = () => workflowIn(JobState.SUCCEEDED, [small]);
    store().respond = serveBytes(Buffer.from("evil"));
    const answer = await stack().gateway.fetch(path);
    assert.equal(answer.status, 500);
    assert.equal(answer.headers.get("etag"), null);
    assert.match(await answer.text(), /"internal server error"/);
    const metrics = await (await stack().gateway.fetch("/metrics")).text();
    assert.match(metrics, /requests_total\{method="GET",path="[^"]+\{key\}",status="500"\} [1-9]/);
  });
});

describe("GET /v1/workflows/{id}/artifacts/{key}, by what the metadata has for a SHA-256", () => {
  const store = suite(startTestStore);
  const stack = suite(() => startStack({}, storeSettings(store())));

  /** Downloads the file, when its metadata has `text` for a SHA-256 and the store has `stored` for the file. */
  async function download(text: string, stored: Buffer, init: RequestInit = {}) {
    stack().upstream.rpcs.getWorkflow = () => workflowIn(JobState.SUCCEEDED, [{ ...artifact, sha256: text }]);
    store().respond = serveBytes(stored);
    const answer = await stack().gateway.fetch(path, init);
    const { status, headers } = answer;
    const body = await answer.arrayBuffer().then(Buffer.from, () => undefined);
    return { status, etag: headers.get("etag"), body };
  }

  const others = Buffer.from(bytes).reverse();
  const { sha256: digest } = artifact;

  it("checks the file against one in upper case, and has it in lower case for an ETag", async () => {
    const sound = await download(digest.toUpperCase(), bytes);
    assert.deepEqual([sound.status, sound.etag], [200, `"${digest}"`]);
    assert.ok(sound.body?.equals(bytes));
    const { status, body } = await download(digest.toUpperCase(), others);
    assert.ok(status === 500 || body === undefined, "a wrong file looks whole");
  });

  it("checks only the length where there is none", async () => {
    const { status, etag, body } = await download("", others);
    assert.deepEqual([status, etag], [200, null]);
    assert.ok(body?.equals(others));
  });

  for (const [what, init] of [
    ["GET", {}],
    ["GET of a part", { headers: { Range: "bytes=0-3" } }],
    ["GET with If-None-Match", { headers: { "If-None-Match": "*" } }],
    ["HEAD", { method: "HEAD" }],
  ] as const)
    it(`answers 500 to a ${what} when it is none, without asking the store, and logs why`, async () => {
      const { gateway } = stack();
      const [logged, asked] = [gateway.logs.length, store().requests.length];
      const { status, etag } = await download(`sha256:${digest}`, bytes, init);
      assert.deepEqual([status, etag, store().requests.length], [500, null, asked]);
      // What is logged of a request is logged before the next one's answer.
      await gateway.fetch("/v1/healthz");
      const errors = gateway.logs.slice(logged).filter(({ event }) => event === "http.error");
      assert.equal(errors.length, 1);
      assert.match(JSON.stringify(errors), /no SHA-256/);
    });
});
