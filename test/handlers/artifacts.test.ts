import assert from "node:assert/strict";
import { Code, ConnectError } from "@connectrpc/connect";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import { suite } from "../support/gateway.ts";
import { forwardTo, startTestStore } from "../support/object-store.ts";
import { describeWithS3, s3Settings } from "../support/s3-servers.ts";
import { sha256, workflowIn } from "../support/samples.ts";
import { startStack } from "../support/stack.ts";

const bytes = Buffer.from("ATOM      1  N   GLY A   1\n".repeat(4000));
const digest = sha256(bytes);
const key = `artifacts/${digest}.pdb`;
const path = `/v1/workflows/w1/artifacts/${key}`;
const artifact = {
  uri: `r2://foldforge/${key}`,
  contentType: "chemical/x-pdb",
  sizeBytes: BigInt(bytes.length),
  sha256: digest,
};
const etag = `"${digest}"`;
const fileHeaders = {
  "content-type": "chemical/x-pdb",
  etag,
  "cache-control": "private, no-cache",
  "content-disposition": `attachment; filename=${digest}.pdb`,
  "x-content-type-options": "nosniff",
  "content-security-policy": "default-src 'none'; sandbox",
  "accept-ranges": "bytes",
};

describeWithS3("GET /v1/workflows/{id}/artifacts/{key}", (server) => {
  const store = suite(startTestStore);
  const stack = suite(() => startStack({}, s3Settings(server().access, store().url)));
  before("one object", async () => {
    store().respond = forwardTo(server().access.endpoint);
    await server().put(key, bytes, "application/octet-stream");
  });
  beforeEach("one artifact", () => (stack().upstream.rpcs.getWorkflow = () => workflowWith()));

  /** A workflow with that artifact in the server's bucket, or with one that differs from it. */
  function workflowWith(difference: Partial<typeof artifact> = {}) {
    const uri = `r2://${server().access.bucket}/${key}`;
    return workflowIn(JobState.SUCCEEDED, [{ ...artifact, uri, ...difference }]);
  }

  /** Downloads, and tells what was asked of the store meanwhile. */
  async function download(headers: Record<string, string> = {}, init: RequestInit = {}) {
    const before = store().requests.length;
    const answer = await stack().gateway.fetch(path, { headers, ...init });
    const body = Buffer.from(await answer.arrayBuffer());
    return { answer, body, asked: store().requests.slice(before) };
  }

  function assertHeaders(answer: Response, expected: Record<string, string>) {
    const names = Object.keys(expected);
    assert.deepEqual(Object.fromEntries(names.map((name) => [name, answer.headers.get(name)])), expected);
  }

  it("answers the bytes with exactly their headers", async () => {
    const { answer, body, asked } = await download();
    assert.equal(answer.status, 200);
    assert.ok(body.equals(bytes));
    assertHeaders(answer, { ...fileHeaders, "content-length": String(bytes.length) });
    assert.equal(answer.headers.get("content-range"), null);
    assert.deepEqual(asked, [`GET /${server().access.bucket}/${key}`]);
  });

  it("answers HEAD with the same headers, without asking the store", async () => {
    const { answer, body, asked } = await download({}, { method: "HEAD" });
    assert.equal(answer.status, 200);
    assert.equal(body.length, 0);
    assertHeaders(answer, { ...fileHeaders, "content-length": String(bytes.length) });
    assert.deepEqual(asked, []);
  });

  const last = bytes.length - 1;
  const parts: [range: string, start: number, end: number][] = [
    ["bytes=0-9", 0, 9],
    ["bytes=10-10", 10, 10],
    ["bytes=100-", 100, last],
    ["bytes=-7", last - 6, last],
    [`bytes=5-${bytes.length * 2}`, 5, last],
    [`bytes=-${bytes.length * 2}`, 0, last],
  ];
  for (const [range, start, end] of parts) {
    it(`answers ${range} with 206`, async () => {
      const { answer, body } = await download({ Range: range });
      assert.equal(answer.status, 206);
      assert.ok(body.equals(bytes.subarray(start, end + 1)));
      assertHeaders(answer, {
        ...fileHeaders,
        "content-length": String(end - start + 1),
        "content-range": `bytes ${start}-${end}/${bytes.length}`,
      });
    });
  }

  for (const range of [`bytes=${bytes.length}-`, `bytes=${bytes.length}-${bytes.length + 5}`]) {
    it(`answers ${range} with 416 and the length`, async () => {
      const { answer, body, asked } = await download({ Range: range });
      assert.equal(answer.status, 416);
      assert.equal(answer.headers.get("content-range"), `bytes */${bytes.length}`);
      assert.equal(JSON.parse(body.toString()).code, "OUT_OF_RANGE");
      assert.deepEqual(asked, []);
    });
  }

  for (const range of ["bytes=0-1,4-5", "bytes=x-y", "bytes=5-1", "lines=1-2", "bytes"]) {
    it(`answers ${range} with the whole file`, async () => {
      const { answer, body } = await download({ Range: range });
      assert.equal(answer.status, 200);
      assert.equal(body.length, bytes.length);
    });
  }

  it("answers the range while If-Range is the ETag, else the whole file", async () => {
    const range = { Range: "bytes=0-3" };
    assert.equal((await download({ ...range, "If-Range": etag })).answer.status, 206);
    for (const other of ['"other"', `W/${etag}`, "Mon, 05 Jan 2026 09:00:00 GMT"]) {
      assert.equal((await download({ ...range, "If-Range": other })).answer.status, 200, other);
    }
  });

  for (const tags of [etag, `W/${etag}`, `"x", ${etag}`, "*"]) {
    it(`answers If-None-Match ${tags.replaceAll(digest, "sha")} with 304 without asking the store`, async () => {
      for (const method of ["GET", "HEAD"]) {
        const { answer, body, asked } = await download({ "If-None-Match": tags }, { method });
        assert.equal(answer.status, 304);
        assert.equal(body.length, 0);
        assertHeaders(answer, { etag, "cache-control": "private, no-cache" });
        assert.deepEqual(asked, []);
      }
    });
  }

  for (const [what, tags] of [
    ["another file", '"other"'],
    ["the file, weakly", `W/${etag}`],
    ["nothing", ""],
  ] as const)
    it(`answers 412 to If-Match of ${what}, with a range or without, and does not ask the store`, async () => {
      for (const headers of [
        {},
        { Range: "bytes=0-3" },
        { Range: "bytes=0-3", "If-Range": etag },
        { "If-None-Match": etag },
      ]) {
        const { answer, body, asked } = await download({ ...headers, "If-Match": tags });
        assert.equal(answer.status, 412);
        assert.equal(JSON.parse(body.toString()).code, "FAILED_PRECONDITION");
        assert.equal(answer.headers.get("cache-control"), "no-store");
        assert.deepEqual(asked, []);
      }
      assert.equal((await download({ "If-Match": tags }, { method: "HEAD" })).answer.status, 412);
    });

  it("serves what If-Match names, and passes over an If-Unmodified-Since", async () => {
    for (const tags of [etag, `"other", ${etag}`, "*"]) {
      assert.equal((await download({ "If-Match": tags })).answer.status, 200);
      assert.equal((await download({ "If-Match": tags, Range: "bytes=0-3" })).answer.status, 206);
      assert.equal((await download({ "If-Match": tags, "If-None-Match": etag })).answer.status, 304);
    }
    const old = "Thu, 01 Jan 1970 00:00:00 GMT";
    assert.equal((await download({ "If-Unmodified-Since": old })).answer.status, 200);
  });

  for (const [what, sizeBytes] of [
    ["no size", 0n],
    ["a size beyond 2^53", 2n ** 53n],
    ["the largest size there can be", 2n ** 64n - 1n],
  ] as const)
    describe(`of an artifact with ${what}`, () => {
      beforeEach(() => (stack().upstream.rpcs.getWorkflow = () => workflowWith({ sizeBytes })));

      it("takes the length from the store, and asks it once for the whole", async () => {
        const { answer, body, asked } = await download();
        assert.equal(answer.status, 200);
        assertHeaders(answer, { ...fileHeaders, "content-length": String(bytes.length) });
        assert.ok(body.equals(bytes));
        assert.equal(asked.length, 1);
      });

      it("answers HEAD with the length", async () => {
        const { answer } = await download({}, { method: "HEAD" });
        assertHeaders(answer, { ...fileHeaders, "content-length": String(bytes.length) });
      });

      for (const [range, start, end] of parts)
        it(`answers ${range} with 206`, async () => {
          const { answer, body } = await download({ Range: range });
          assert.equal(answer.status, 206);
          assert.ok(body.equals(bytes.subarray(start, end + 1)));
          assertHeaders(answer, {
            "content-length": String(end - start + 1),
            "content-range": `bytes ${start}-${end}/${bytes.length}`,
          });
        });

      it("answers a range beyond its end with 416, and one that cannot be read with the whole", async () => {
        const { answer } = await download({ Range: `bytes=${bytes.length}-` });
        assert.equal(answer.status, 416);
        assert.equal(answer.headers.get("content-range"), `bytes */${bytes.length}`);
        const whole = await download({ Range: "bytes=5-1" });
        assert.equal(whole.answer.status, 200);
        assert.ok(whole.body.equals(bytes));
      });

      it("answers 304 and 412 without asking the store", async () => {
        for (const headers of [{ "If-None-Match": etag }, { "If-Match": '"x"' }])
          assert.deepEqual((await download(headers as Record<string, string>)).asked, []);
      });

      it("answers 404 where the store has no such object", async () => {
        const missing = `r2://${server().access.bucket}/none`;
        stack().upstream.rpcs.getWorkflow = () => workflowWith({ sizeBytes, uri: missing });
        for (const init of [{}, { method: "HEAD" }, { headers: { Range: "bytes=0-1" } }]) {
          const answer = await stack().gateway.fetch("/v1/workflows/w1/artifacts/none", init);
          assert.equal(answer.status, 404);
        }
      });
    });

  it("serves an empty file", async () => {
    const { bucket } = server().access;
    await server().put("empty", Buffer.alloc(0), "application/octet-stream");
    stack().upstream.rpcs.getWorkflow = () =>
      workflowWith({ uri: `r2://${bucket}/empty`, sizeBytes: 0n, sha256: sha256("") });
    const emptyPath = "/v1/workflows/w1/artifacts/empty";
    for (const method of ["GET", "HEAD"]) {
      const answer = await stack().gateway.fetch(emptyPath, { method });
      assert.deepEqual(
        [answer.status, answer.headers.get("content-length"), await answer.text()],
        [200, "0", ""],
      );
    }
    const ranged = await stack().gateway.fetch(emptyPath, { headers: { Range: "bytes=0-" } });
    assert.deepEqual([ranged.status, ranged.headers.get("content-range")], [416, "bytes */0"]);
  });

  it("answers If-None-Match of another file with the bytes", async () => {
    assert.equal((await download({ "If-None-Match": '"other"' })).answer.status, 200);
  });

  it("delivers the same bytes to many clients at once, whenever they read", async () => {
    const large = Buffer.concat(Array.from({ length: 16 }, (_, i) => Buffer.alloc(1_000_003, `${i} `)));
    const { bucket } = server().access;
    await server().put("large", large, "application/octet-stream");
    stack().upstream.rpcs.getWorkflow = () =>
      workflowWith({ uri: `r2://${bucket}/large`, sizeBytes: BigInt(large.length) });
    const largePath = "/v1/workflows/w1/artifacts/large";
    const answers = await Promise.all(
      Array.from({ length: 8 }, () => stack().gateway.fetch(largePath, { headers: { Range: "bytes=1-" } })),
    );
    // One after the other: those that wait are full to the last buffer by then.
    for (const answer of answers) {
      assert.equal(answer.status, 206);
      assert.ok(Buffer.from(await answer.arrayBuffer()).equals(large.subarray(1)));
    }
  });

  const types = [
    ["text/plain; charset=utf-8", "text/plain; charset=utf-8"],
    ["chemical/x-mmcif", "chemical/x-mmcif"],
    ["", "application/octet-stream"],
    ["html", "application/octet-stream"],
    ["text/html\r\nSet-Cookie: a=b", "application/octet-stream"],
    ["text/html, text/plain", "application/octet-stream"],
    ["tëxt/plain", "application/octet-stream"],
  ] as const;
  for (const [contentType, expected] of types) {
    it(`sends the type ${JSON.stringify(contentType)} as ${expected}`, async () => {
      stack().upstream.rpcs.getWorkflow = () => workflowWith({ contentType });
      const { answer } = await download();
      assert.equal(answer.status, 200);
      assert.equal(answer.headers.get("content-type"), expected);
      assert.equal(answer.headers.get("set-cookie"), null);
    });
  }

  it("answers one and the same 404 for whatever is missing or not the caller's", async () => {
    const bodies: unknown[] = [];
    async function expect404(target = path) {
      const answer = await stack().gateway.fetch(target);
      assert.equal(answer.status, 404);
      const { trace_id, ...body } = (await answer.json()) as Record<string, unknown>;
      assert.ok(trace_id);
      bodies.push(body);
    }
    const before = store().requests.length;
    const { bucket } = server().access;
    for (const uri of [`r2://other-bucket/${key}`, `s3://${bucket}/${key}`, `r2://${bucket}/x/${key}`, key]) {
      stack().upstream.rpcs.getWorkflow = () => workflowWith({ uri });
      await expect404();
    }
    stack().upstream.rpcs.getWorkflow = () => workflowWith();
    await expect404("/v1/workflows/w1/artifacts/artifacts/other.pdb");
    await expect404(`${path}x`);
    stack().upstream.rpcs.getWorkflow = () => {
      throw new ConnectError("workflow w1 not found", Code.NotFound);
    };
    await expect404();
    assert.equal(store().requests.length, before);
    stack().upstream.rpcs.getWorkflow = () => workflowWith({ uri: `r2://${bucket}/${key}x` });
    await expect404(`${path}x`);
    assert.equal(store().requests.length, before + 1);
    for (const body of bodies) {
      assert.deepEqual(body, { code: "NOT_FOUND", message: "artifact not found", retryable: false });
    }
  });
});

describe("GET /v1/workflows/{id}/artifacts/{key}, with no object store", () => {
  const stack = suite(() => startStack({ getWorkflow: () => workflowIn(JobState.SUCCEEDED, [artifact]) }));

  it("answers 503 to who may have the file", async () => {
    const answer = await stack().gateway.fetch(path);
    assert.equal(answer.status, 503);
    assert.ok(answer.headers.get("retry-after"));
  });

  it("answers 404 to who may not", async () => {
    assert.equal((await stack().gateway.fetch(`${path}x`)).status, 404);
  });
});
