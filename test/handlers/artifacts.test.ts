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
  "content-disposition": 'attachment; filename="a-0.pdb"',
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

  /** A workflow with that artifact in the server's bucket, or with a different one. */
  function workflowWith(difference: Partial<typeof artifact> = {}) {
    const uri = `r2://${server().access.bucket}/${key}`;
    return workflowIn(JobState.SUCCEEDED, [{ ...artifact, uri, ...difference }]);
  }

  /** Downloads the artifact; also returns the requests to the store. */
  async function download(headers: Record<string, string> = {}, init: RequestInit = {}) {
    const before = store().requests.length;
    const response = await stack().gateway.fetch(path, { headers, ...init });
    const body = Buffer.from(await response.arrayBuffer());
    return { response, body, requests: store().requests.slice(before) };
  }

  function assertHeaders(response: Response, expected: Record<string, string>) {
    const names = Object.keys(expected);
    assert.deepEqual(Object.fromEntries(names.map((name) => [name, response.headers.get(name)])), expected);
  }

  it("returns the bytes with exactly their headers", async () => {
    const { response, body, requests } = await download();
    assert.equal(response.status, 200);
    assert.ok(body.equals(bytes));
    assertHeaders(response, { ...fileHeaders, "content-length": String(bytes.length) });
    assert.equal(response.headers.get("content-range"), null);
    assert.deepEqual(requests, [`GET /${server().access.bucket}/${key}`]);
  });

  it("returns the same headers to HEAD, without a request to the store", async () => {
    const { response, body, requests } = await download({}, { method: "HEAD" });
    assert.equal(response.status, 200);
    assert.equal(body.length, 0);
    assertHeaders(response, { ...fileHeaders, "content-length": String(bytes.length) });
    assert.deepEqual(requests, []);
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
    it(`returns 206 for ${range}`, async () => {
      const { response, body } = await download({ Range: range });
      assert.equal(response.status, 206);
      assert.ok(body.equals(bytes.subarray(start, end + 1)));
      assertHeaders(response, {
        ...fileHeaders,
        "content-length": String(end - start + 1),
        "content-range": `bytes ${start}-${end}/${bytes.length}`,
      });
    });
  }

  for (const range of [`bytes=${bytes.length}-`, `bytes=${bytes.length}-${bytes.length + 5}`]) {
    it(`returns 416 with the length for ${range}`, async () => {
      const { response, body, requests } = await download({ Range: range });
      assert.equal(response.status, 416);
      assert.equal(response.headers.get("content-range"), `bytes */${bytes.length}`);
      assert.equal(JSON.parse(body.toString()).code, "OUT_OF_RANGE");
      assert.deepEqual(requests, []);
    });
  }

  for (const range of ["bytes=0-1,4-5", "bytes=x-y", "bytes=5-1", "lines=1-2", "bytes"]) {
    it(`returns the whole file for ${range}`, async () => {
      const { response, body } = await download({ Range: range });
      assert.equal(response.status, 200);
      assert.equal(body.length, bytes.length);
    });
  }

  it("returns the range when If-Range is the ETag, else the whole file", async () => {
    const range = { Range: "bytes=0-3" };
    assert.equal((await download({ ...range, "If-Range": etag })).response.status, 206);
    for (const other of ['"other"', `W/${etag}`, "Mon, 05 Jan 2026 09:00:00 GMT"]) {
      assert.equal((await download({ ...range, "If-Range": other })).response.status, 200, other);
    }
  });

  for (const tags of [etag, `W/${etag}`, `"x", ${etag}`, "*"]) {
    it(`returns 304 for If-None-Match ${tags.replaceAll(digest, "sha")}, without a request to the store`, async () => {
      for (const method of ["GET", "HEAD"]) {
        const { response, body, requests } = await download({ "If-None-Match": tags }, { method });
        assert.equal(response.status, 304);
        assert.equal(body.length, 0);
        assertHeaders(response, { etag, "cache-control": "private, no-cache" });
        assert.deepEqual(requests, []);
      }
    });
  }

  for (const [what, tags] of [
    ["another ETag", '"other"'],
    ["the weak ETag", `W/${etag}`],
    ["an empty list", ""],
  ] as const)
    it(`returns 412 for If-Match with ${what}, with a range or without, without a request to the store`, async () => {
      for (const headers of [
        {},
        { Range: "bytes=0-3" },
        { Range: "bytes=0-3", "If-Range": etag },
        { "If-None-Match": etag },
      ]) {
        const { response, body, requests } = await download({ ...headers, "If-Match": tags });
        assert.equal(response.status, 412);
        assert.equal(JSON.parse(body.toString()).code, "FAILED_PRECONDITION");
        assert.equal(response.headers.get("cache-control"), "no-store");
        assert.deepEqual(requests, []);
      }
      assert.equal((await download({ "If-Match": tags }, { method: "HEAD" })).response.status, 412);
    });

  it("serves a file that If-Match names, and ignores If-Unmodified-Since", async () => {
    for (const tags of [etag, `"other", ${etag}`, "*"]) {
      assert.equal((await download({ "If-Match": tags })).response.status, 200);
      assert.equal((await download({ "If-Match": tags, Range: "bytes=0-3" })).response.status, 206);
      assert.equal((await download({ "If-Match": tags, "If-None-Match": etag })).response.status, 304);
    }
    const old = "Thu, 01 Jan 1970 00:00:00 GMT";
    assert.equal((await download({ "If-Unmodified-Since": old })).response.status, 200);
  });

  for (const [what, sizeBytes] of [
    ["no size", 0n],
    ["a size above 2^53", 2n ** 53n],
    ["the largest uint64", 2n ** 64n - 1n],
  ] as const)
    describe(`with ${what} in the metadata`, () => {
      beforeEach(() => (stack().upstream.rpcs.getWorkflow = () => workflowWith({ sizeBytes })));

      it("takes the length of the whole file from the store's only response", async () => {
        const { response, body, requests } = await download();
        assert.equal(response.status, 200);
        assertHeaders(response, { ...fileHeaders, "content-length": String(bytes.length) });
        assert.ok(body.equals(bytes));
        assert.equal(requests.length, 1);
      });

      it("returns the length to HEAD", async () => {
        const { response } = await download({}, { method: "HEAD" });
        assertHeaders(response, { ...fileHeaders, "content-length": String(bytes.length) });
      });

      for (const [range, start, end] of parts)
        it(`returns 206 for ${range}`, async () => {
          const { response, body } = await download({ Range: range });
          assert.equal(response.status, 206);
          assert.ok(body.equals(bytes.subarray(start, end + 1)));
          assertHeaders(response, {
            "content-length": String(end - start + 1),
            "content-range": `bytes ${start}-${end}/${bytes.length}`,
          });
        });

      it("returns 416 for a range beyond the end, and the whole file for an invalid one", async () => {
        const { response } = await download({ Range: `bytes=${bytes.length}-` });
        assert.equal(response.status, 416);
        assert.equal(response.headers.get("content-range"), `bytes */${bytes.length}`);
        const whole = await download({ Range: "bytes=5-1" });
        assert.equal(whole.response.status, 200);
        assert.ok(whole.body.equals(bytes));
      });

      it("returns 304 and 412 without a request to the store", async () => {
        for (const headers of [{ "If-None-Match": etag }, { "If-Match": '"x"' }])
          assert.deepEqual((await download(headers as Record<string, string>)).requests, []);
      });

      it("returns 404 when the object does not exist", async () => {
        const missing = `r2://${server().access.bucket}/none`;
        stack().upstream.rpcs.getWorkflow = () => workflowWith({ sizeBytes, uri: missing });
        for (const init of [{}, { method: "HEAD" }, { headers: { Range: "bytes=0-1" } }]) {
          const response = await stack().gateway.fetch("/v1/workflows/w1/artifacts/none", init);
          assert.equal(response.status, 404);
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
      const response = await stack().gateway.fetch(emptyPath, { method });
      assert.deepEqual(
        [response.status, response.headers.get("content-length"), await response.text()],
        [200, "0", ""],
      );
    }
    const ranged = await stack().gateway.fetch(emptyPath, { headers: { Range: "bytes=0-" } });
    assert.deepEqual([ranged.status, ranged.headers.get("content-range")], [416, "bytes */0"]);
  });

  it("returns the bytes for If-None-Match with another ETag", async () => {
    assert.equal((await download({ "If-None-Match": '"other"' })).response.status, 200);
  });

  it("delivers the same bytes to many concurrent clients, whenever they read", async () => {
    const large = Buffer.concat(Array.from({ length: 16 }, (_, i) => Buffer.alloc(1_000_003, `${i} `)));
    const { bucket } = server().access;
    await server().put("large", large, "application/octet-stream");
    stack().upstream.rpcs.getWorkflow = () =>
      workflowWith({ uri: `r2://${bucket}/large`, sizeBytes: BigInt(large.length) });
    const largePath = "/v1/workflows/w1/artifacts/large";
    const responses = await Promise.all(
      Array.from({ length: 8 }, () => stack().gateway.fetch(largePath, { headers: { Range: "bytes=1-" } })),
    );
    // In sequence, so that the buffers of the later ones are full by then.
    for (const response of responses) {
      assert.equal(response.status, 206);
      assert.ok(Buffer.from(await response.arrayBuffer()).equals(large.subarray(1)));
    }
  });

  it("sends a name outside ASCII in both forms", async () => {
    const { stepStatuses, ...rest } = workflowWith();
    const [status] = stepStatuses;
    stack().upstream.rpcs.getWorkflow = () => ({ ...rest, stepStatuses: [{ ...status!, stepId: "折叠" }] });
    const { response } = await download();
    assert.equal(
      response.headers.get("content-disposition"),
      `attachment; filename="_~bee7e6bf-0.pdb"; filename*=UTF-8''%E6%8A%98%E5%8F%A0-0.pdb`,
    );
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
      const { response } = await download();
      assert.equal(response.status, 200);
      assert.equal(response.headers.get("content-type"), expected);
      assert.equal(response.headers.get("set-cookie"), null);
    });
  }

  it("returns the same 404 for everything that is missing or not the caller's", async () => {
    const bodies: unknown[] = [];
    async function expect404(target = path) {
      const response = await stack().gateway.fetch(target);
      assert.equal(response.status, 404);
      const { trace_id, ...body } = (await response.json()) as Record<string, unknown>;
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

describe("GET /v1/workflows/{id}/artifacts/{key}, without an object store", () => {
  const stack = suite(() => startStack({ getWorkflow: () => workflowIn(JobState.SUCCEEDED, [artifact]) }));

  it("returns 503 for the caller's file", async () => {
    const response = await stack().gateway.fetch(path);
    assert.equal(response.status, 503);
    assert.ok(response.headers.get("retry-after"));
  });

  for (const pasted of [
    `r2://foldforge/${key}`,
    encodeURIComponent(`r2://foldforge/${key}`),
    `/${key}`,
    `https://gateway.example${path}`,
    path,
  ])
    it(`returns 400 with the right path for ${pasted.replaceAll(digest, "sha")}`, async () => {
      const response = await stack().gateway.fetch(`/v1/workflows/w1/artifacts/${pasted}`);
      const { message, details } = (await response.json()) as { message: string; details: unknown[] };
      assert.equal(response.status, 400);
      assert.ok(message.endsWith(`did you mean ${path}?`), message);
      assert.equal(details.length, 1);
      assert.equal((await stack().gateway.fetch(path)).status, 503);
    });

  it("returns 404 with the right path for an address whose slashes were merged", async () => {
    const response = await stack().gateway.fetch(`/v1/workflows/w1/artifacts/r2:/foldforge/${key}`);
    const { message } = (await response.json()) as { message: string };
    assert.equal(response.status, 404);
    assert.ok(message.endsWith(`did you mean ${path}?`), message);
  });

  it("finds an artifact whose key begins like an address", async () => {
    const other = workflowIn(JobState.SUCCEEDED, [{ ...artifact, uri: "r2://foldforge/s3:/bucket/a.pdb" }]);
    stack().upstream.rpcs.getWorkflow = () => other;
    const response = await stack().gateway.fetch("/v1/workflows/w1");
    const workflow = (await response.json()) as { step_statuses: { outputs: { href: string }[] }[] };
    const href = workflow.step_statuses[0]!.outputs[0]!.href;
    assert.equal((await stack().gateway.fetch(href)).status, 503);
    stack().upstream.rpcs.getWorkflow = () => workflowIn(JobState.SUCCEEDED, [artifact]);
  });

  it("returns 404 for any other", async () => {
    assert.equal((await stack().gateway.fetch(`${path}x`)).status, 404);
  });
});
