import assert from "node:assert/strict";
import { fromBinary } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { ListWorkflowsRequestSchema } from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import type { ListWorkflowsRequest } from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import { encodeEnvelope } from "../../src/grpc/envelope.ts";
import { listPage } from "../../src/orchestrator/list-page.ts";
import { tooLargeBytes } from "../../src/grpc/envelope.ts";
import { suite } from "../support/gateway.ts";
import { connectTo } from "../support/orchestrator.ts";
import { finish, respond, startHttp2Server } from "../grpc/http2-server.ts";

const readMaxBytes = 1024 * 1024;

describe("listPage", () => {
  const server = suite(startHttp2Server);
  const connection = suite(() => {
    const { encodedClient, close } = connectTo([server().url], { readMaxBytes });
    return Promise.resolve({ client: encodedClient, close: () => Promise.resolve(close()) });
  });

  /** Serves pages of workflows of `bytesEach` bytes; sends only the prefix of a page over `maxBytes`. */
  function serveWorkflows(bytesEach: number, maxBytes: number): ListWorkflowsRequest[] {
    const requests: ListWorkflowsRequest[] = [];
    server().serve = (stream, bytes) => {
      const request = fromBinary(ListWorkflowsRequestSchema, bytes);
      requests.push(request);
      const page = encodeEnvelope(Buffer.alloc(bytesEach * request.pageSize));
      const isRead =
        page.length - 5 <= maxBytes || (request.pageSize === 1 && page.length - 5 <= readMaxBytes);
      respond(stream, isRead ? page : page.subarray(0, 5));
      if (isRead) finish(stream);
    };
    return requests;
  }

  const read = (pageSize: number, maxBytes: number, signal?: AbortSignal) =>
    listPage(
      connection().client,
      { pageSize, pageToken: "t", labelSelector: { team: "alpha" } },
      signal === undefined ? {} : { signal },
      maxBytes,
    );

  for (const [what, bytesEach, pageSize, maxBytes, sizes] of [
    ["is read at once if it is within the limit", 1000, 10, 10_000, [10]],
    ["is requested again with as many as fill four fifths of the limit", 1000, 100, 10_000, [100, 8]],
    ["is requested again with fewer, however little it is over the limit", 3001, 3, 9002, [3, 2]],
    ["is requested again with one if the workflows are large", 6000, 50, 10_000, [50, 1]],
    ["is one workflow that is larger than the limit", 20_000, 50, 10_000, [50, 1]],
    ["is one workflow of any size if one is requested", 20_000, 1, 10_000, [1]],
  ] as const)
    it(what, async () => {
      const requests = serveWorkflows(bytesEach, maxBytes);
      using page = await read(pageSize, maxBytes);
      assert.deepEqual(
        requests.map((request) => request.pageSize),
        sizes,
      );
      assert.equal(page.bytes.length, bytesEach * sizes.at(-1)!);
    });

  it("changes only the page size", async () => {
    const requests = serveWorkflows(1000, 10_000);
    (await read(100, 10_000))[Symbol.dispose]();
    for (const { pageToken, labelSelector } of requests)
      assert.deepEqual([pageToken, { ...labelSelector }], ["t", { team: "alpha" }]);
    assert.equal(requests.length, 2);
  });

  it("ends at a page of one workflow, even if smaller pages are larger", async () => {
    const sizes: number[] = [];
    server().serve = (stream, bytes) => {
      const { pageSize } = fromBinary(ListWorkflowsRequestSchema, bytes);
      sizes.push(pageSize);
      respond(stream, encodeEnvelope(Buffer.alloc(500_000)).subarray(0, pageSize === 1 ? undefined : 5));
      if (pageSize === 1) finish(stream);
    };
    using page = await read(5, 499_999);
    assert.equal(page.bytes.length, 500_000);
    assert.deepEqual(sizes, [5, 3, 2, 1]);
  });

  it("rejects if one workflow is larger than any message may be", async () => {
    const requests = serveWorkflows(readMaxBytes + 1, 10_000);
    await assert.rejects(read(2, 10_000), (error) => tooLargeBytes(error) === readMaxBytes + 1);
    assert.deepEqual(
      requests.map(({ pageSize }) => pageSize),
      [2, 1],
    );
  });

  it("rejects with the error of the orchestrator, without another request", async () => {
    let requests = 0;
    server().serve = (stream) => {
      requests += 1;
      respond(stream, Buffer.alloc(0));
      finish(stream, "8");
    };
    await assert.rejects(read(50, 10_000), { code: Code.ResourceExhausted });
    assert.equal(requests, 1);
  });

  it("rejects when its signal aborts between two requests", async () => {
    const leaving = new AbortController();
    server().serve = (stream) => {
      leaving.abort();
      respond(stream, Buffer.of(0, 0, 0xff, 0xff, 0xff));
    };
    await assert.rejects(read(50, 10_000, leaving.signal), { code: Code.Canceled });
  });
});
