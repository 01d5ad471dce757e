import assert from "node:assert/strict";
import { once } from "node:events";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import { suite } from "../support/gateway.ts";
import { serveBytes, startTestStore, storeSettings } from "../support/object-store.ts";
import { sha256, workflowIn } from "../support/samples.ts";
import { signal, startStack } from "../support/stack.ts";

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
    const gone = signal();
    const { logs, logged } = stack().gateway;
    const before = logs.length;
    store().answer = (_req, res) => {
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
    store().answer = serveBytes(Buffer.from("evil"));
    const answer = await stack().gateway.fetch(path);
    assert.equal(answer.status, 500);
    assert.equal(answer.headers.get("etag"), null);
    assert.match(await answer.text(), /"internal server error"/);
    const metrics = await (await stack().gateway.fetch("/metrics")).text();
    assert.match(metrics, /requests_total\{method="GET",path="[^"]+\{key\}",status="500"\} [1-9]/);
  });
});
