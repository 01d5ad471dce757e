import assert from "node:assert/strict";
import { once } from "node:events";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import type { S3Settings } from "../../src/sandbox/settings.ts";
import { suite } from "../support/gateway.ts";
import { forwardTo, startTestStore } from "../support/object-store.ts";
import { describeWithRealS3, describeWithS3, s3Settings } from "../support/s3-servers.ts";
import { sha256, workflowIn } from "../support/samples.ts";
import { deferred, startStack } from "../support/stack.ts";
import type { Stack } from "../support/stack.ts";

const bytes = Buffer.from(Array.from({ length: 300_000 }, (_, i) => (i * 31 + (i >> 8)) & 0xff));

/** Downloads an output with those bytes under `key`; the body is undefined when the transfer breaks. */
async function download({ gateway, upstream }: Stack, bucket: string, key: string, init: RequestInit = {}) {
  const artifact = { uri: `r2://${bucket}/${key}`, sizeBytes: BigInt(bytes.length), sha256: sha256(bytes) };
  upstream.rpcs.getWorkflow = () => workflowIn(JobState.SUCCEEDED, [artifact]);
  const path = key.split("/").map(encodeURIComponent).join("/");
  const response = await gateway.fetch(`/v1/workflows/w1/artifacts/${path}`, init);
  const body = await response.arrayBuffer().then(Buffer.from, () => undefined);
  return { status: response.status, body };
}

describeWithS3("GET /v1/workflows/{id}/artifacts/{key}, from S3", (server) => {
  const stack = suite(() => startStack({}, s3Settings(server().access)));
  const bucketDownload = (key: string, init?: RequestInit) =>
    download(stack(), server().access.bucket, key, init);

  for (const key of [
    "odd name+%2F&é.pdb",
    "a=b;c,d@e:f$g!h'i(j)*k~l.pdb",
    "日本/語.pdb",
    "a%20b?c#d",
    "x/ /y",
  ])
    it(`delivers ${key}, in whole and in part`, async () => {
      await server().put(key, bytes, "chemical/x-pdb");
      const whole = await bucketDownload(key);
      assert.equal(whole.status, 200);
      assert.ok(whole.body?.equals(bytes));
      const part = await bucketDownload(key, { headers: { Range: "bytes=100-200000" } });
      assert.equal(part.status, 206);
      assert.ok(part.body?.equals(bytes.subarray(100, 200_001)));
    });

  for (const [what, key, stored] of [
    ["other bytes", "other", Buffer.from(bytes).reverse()],
    ["fewer bytes", "fewer", bytes.subarray(0, -1)],
    ["more bytes", "more", Buffer.concat([bytes, bytes])],
    ["no bytes", "none", Buffer.alloc(0)],
  ] as const)
    it(`never sends ${what} as a complete file`, async () => {
      await server().put(key, stored, "chemical/x-pdb");
      const { status, body } = await bucketDownload(key);
      assert.ok(status === 500 || body === undefined, `${status} with ${body?.length} bytes`);
    });

  it("returns 500 for a range that the object does not have, and logs why", async () => {
    await server().put("short", bytes.subarray(0, 1000), "chemical/x-pdb");
    const { status } = await bucketDownload("short", { headers: { Range: "bytes=1000-" } });
    assert.equal(status, 500);
    assert.match(stack().gateway.logText, /InvalidRange/);
  });
});

describeWithS3("GET /v1/workflows/{id}/artifacts/{key}, from S3 when the client disconnects", (server) => {
  const store = suite(startTestStore);
  const stack = suite(() => startStack({}, s3Settings(server().access, store().url)));

  it("closes the connection to the store", async () => {
    const large = Buffer.alloc(32 * 1024 * 1024, "x");
    const { endpoint, bucket } = server().access;
    await server().put("unread", large, "chemical/x-pdb");
    const artifact = { uri: `r2://${bucket}/unread`, sizeBytes: BigInt(large.length) };
    stack().upstream.rpcs.getWorkflow = () => workflowIn(JobState.SUCCEEDED, [artifact]);
    const gone = deferred();
    store().respond = (req, res) => {
      res.once("close", gone.resolve);
      forwardTo(endpoint)(req, res);
    };
    const controller = new AbortController();
    const init = { signal: controller.signal };
    const response = await stack().gateway.fetch("/v1/workflows/w1/artifacts/unread", init);
    await response.body?.getReader().read();
    controller.abort();
    await gone.promise;
    while (!stack().gateway.logs.some(({ complete }) => complete === false))
      await once(stack().gateway.logged, "line");
    assert.ok(!stack().gateway.logs.some(({ event }) => event === "request.failed"));
  });
});

describeWithRealS3("GET /v1/workflows/{id}/artifacts/{key}, with wrong settings", (access) => {
  for (const [what, wrong, reason] of [
    ["secret", { secretAccessKey: "hunter2-hunter2" }, "SignatureDoesNotMatch"],
    ["access key", { accessKeyId: "hunter2-hunter2" }, "InvalidAccessKeyId"],
    ["bucket", { bucket: "hunter2-hunter2" }, "NoSuchBucket"],
  ] satisfies [string, Partial<S3Settings>, string][])
    describe(`a wrong ${what}`, () => {
      const stack = suite(() => startStack({}, s3Settings({ ...access, ...wrong })));

      it(`returns 500, and logs ${reason}`, async () => {
        const bucket = "bucket" in wrong ? wrong.bucket : access.bucket;
        const { status, body } = await download(stack(), bucket, "any");
        assert.equal(status, 500);
        assert.match(String(body), /"internal server error"/);
        const { logText } = stack().gateway;
        assert.ok(logText.includes(reason));
        assert.ok(!logText.includes(access.secretAccessKey));
        if (what !== "bucket") assert.ok(!logText.includes("hunter2"));
      });
    });
});
