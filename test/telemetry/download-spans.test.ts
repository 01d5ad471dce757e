import assert from "node:assert/strict";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import { suite } from "../support/gateway.ts";
import { sendS3Error, serveBytes, startTestStore, storeSettings } from "../support/object-store.ts";
import type { ReceivedSpan } from "../support/otlp.ts";
import { sha256, workflowIn } from "../support/samples.ts";
import { markTime, newTrace, spanNamed, startTracedStack } from "../support/traced-stack.ts";

const bytes = Buffer.alloc(400_000, "ATOM ");
const artifact = {
  uri: "r2://foldforge/artifacts/a.pdb",
  contentType: "chemical/x-pdb",
  sizeBytes: BigInt(bytes.length),
  sha256: sha256(bytes),
};
const path = "/v1/workflows/w1/artifacts/artifacts/a.pdb";

describe("downloadSpans", () => {
  const store = suite(startTestStore);
  const stack = suite(() =>
    startTracedStack(
      { getWorkflow: () => workflowIn(JobState.SUCCEEDED, [artifact]) },
      storeSettings(store()),
    ),
  );

  /** The span of the request to the store, for a download that `read` reads. */
  async function spanOf(headers: Record<string, string>, read: (response: Response) => Promise<unknown>) {
    const { traceId, headers: traced } = newTrace();
    await read(await stack().gateway.fetch(path, { headers: { ...headers, ...traced } }));
    const spans = await stack().collector.trace(traceId, 3);
    const span = spanNamed(spans, "S3.GetObject");
    assert.equal(span.parentSpanId, spanNamed(spans, "GET /v1/workflows/{id}/artifacts/{key}").spanId);
    return span;
  }

  it("has the attributes of the conventions and the request's span as parent", async () => {
    store().respond = serveBytes(bytes);
    const span = await spanOf({}, (response) => response.arrayBuffer());
    assert.equal(span.kind, "client");
    assert.equal(span.isError, false);
    assert.deepEqual(span.attributes, {
      "rpc.system.name": "aws-api",
      "rpc.method": "S3/GetObject",
      "aws.s3.bucket": "foldforge",
      "aws.s3.key": "artifacts/a.pdb",
      "http.response.status_code": 200,
      "server.address": "127.0.0.1",
      "server.port": Number(new URL(store().url).port),
    });
  });

  it("has the status of a partial response", async () => {
    store().respond = serveBytes(bytes);
    const span = await spanOf({ Range: "bytes=0-9" }, (response) => response.arrayBuffer());
    assert.equal(span.attributes["http.response.status_code"], 206);
  });

  it("ends with the last byte", async () => {
    let finish: () => void = () => assert.fail("no request reached the store");
    store().respond = (_req, res) => {
      res.writeHead(200, { "Content-Length": bytes.length }).write(bytes.subarray(0, 200_000));
      finish = () => void res.end(bytes.subarray(200_000));
    };
    let endedLater: (span: ReceivedSpan) => boolean = () => false;
    const span = await spanOf({}, async (response) => {
      endedLater = await markTime(stack());
      finish();
      await response.arrayBuffer();
    });
    assert.ok(endedLater(span));
  });

  for (const [status, code] of [
    [404, "NoSuchKey"],
    [403, "AccessDenied"],
    [503, "SlowDown"],
  ] as const)
    it(`is an error for the status ${status}, without the text of the store`, async () => {
      store().respond = (_req, res) => sendS3Error(res, status, code);
      const span = await spanOf({}, (response) => response.text());
      assert.equal(span.attributes["http.response.status_code"], status);
      assert.equal(span.attributes["error.type"], String(status));
      assert.equal(span.isError, true);
      assert.ok(!JSON.stringify(span.attributes).includes("secret-of-the-store"));
    });

  it("is an error if the store aborts the response", async () => {
    store().respond = (_req, res) => {
      res.writeHead(200, { "Content-Length": bytes.length });
      res.write(bytes.subarray(0, 200_000), () => res.destroy());
    };
    const span = await spanOf({}, (response) => assert.rejects(response.text()));
    assert.equal(span.attributes["http.response.status_code"], 200);
    assert.equal(span.attributes["error.type"], "ECONNRESET");
    assert.equal(span.isError, true);
  });

  it("is an error without a status if the store does not respond", async () => {
    store().respond = (_req, res) => res.destroy();
    const span = await spanOf({}, (response) => response.text());
    assert.equal("http.response.status_code" in span.attributes, false);
    assert.equal(span.attributes["error.type"], "ECONNRESET");
    assert.equal(span.isError, true);
  });

  it("is not an error if the client disconnects", async () => {
    store().respond = (_req, res) => {
      res.writeHead(200, { "Content-Length": bytes.length }).write(bytes.subarray(0, 200_000));
    };
    const span = await spanOf({}, (response) => response.body!.cancel());
    assert.equal(span.isError, false);
    assert.equal("error.type" in span.attributes, false);
  });
});
