import assert from "node:assert/strict";
import { Code } from "@connectrpc/connect";
import { suite } from "../support/gateway.ts";
import { scaled } from "../support/machine.ts";
import type { DecodingClient } from "../support/orchestrator.ts";
import { whenAborted } from "../support/stack.ts";
import { startUpstream } from "../support/upstream.ts";
import { respondWith, grpcHeader, grpcMessage, startFrameServer } from "./frame-server.ts";
import type { ServerStream } from "./frame-server.ts";
import { poolClient } from "./transports.ts";

/** Ways to lose a call before any response. */
const lostStreams: Record<string, (stream: ServerStream) => void> = {
  "a reset": (stream) => stream.reset(8),
  "a GOAWAY with an error": (stream) => stream.goaway(stream.streamId, 2),
  "the connection's end": (stream) => stream.endConnection(),
  "a broken connection": (stream) => stream.destroyConnection(),
};

/** Ways for a server to report that it has not processed a call, and how many attempts follow if all of them fail so. */
const rejections: Record<string, { reject: (stream: ServerStream) => void; attempts: number }> = {
  REFUSED_STREAM: { reject: (stream) => stream.reset(7), attempts: 3 },
  "a GOAWAY that excludes it": { reject: (stream) => stream.goaway(0, 0), attempts: 3 },
};

const cancelled = { "grpc-status": "1", "grpc-message": "shutting down" };

/** Ways to lose a call by a response without messages. */
const cancellations: typeof lostStreams = {
  CANCELLED: (stream) => stream.header({ ...grpcHeader, ...cancelled }, "ends"),
  "CANCELLED and a reset": (stream) => {
    stream.header({ ...grpcHeader, ...cancelled }, "ends");
    stream.reset(0);
  },
};

/** Calls without side effects, and the others. */
const idempotent: Record<string, (client: DecodingClient) => Promise<unknown>> = {
  GetWorkflow: (client) => client.getWorkflow({}),
  ListWorkflows: (client) => client.listWorkflows({}),
  AuthenticateApiKey: (client) => client.authenticateApiKey({}),
  RankDesigns: (client) => client.rankDesigns({}),
  StreamWorkflowEvents: (client) => client.streamWorkflowEvents({})[Symbol.asyncIterator]().next(),
};
const others: typeof idempotent = {
  SubmitWorkflow: (client) => client.submitWorkflow({}),
  RetryWorkflow: (client) => client.retryWorkflow({}),
  CancelWorkflow: (client) => client.cancelWorkflow({}),
  ConsumeQuota: (client) => client.consumeQuota({}),
  GrantCredits: (client) => client.grantCredits({}),
};

describe("Call: retries", () => {
  const server = suite(startFrameServer);
  const connection = suite(() => Promise.resolve(poolClient(server().url)));
  const client = () => connection().client;

  /** Serves the first request by one function and the others by another; counts them. */
  function serve(first: (stream: ServerStream) => void, then = respond): { attempts: number } {
    const count = { attempts: 0 };
    server().serve = (stream) => {
      count.attempts += 1;
      (count.attempts === 1 ? first : then)(stream);
    };
    return count;
  }

  for (const [what, fail] of Object.entries({ ...lostStreams, ...cancellations })) {
    for (const [name, call] of Object.entries(idempotent))
      it(`sends ${name} once more after ${what}`, async () => {
        const count = serve(fail);
        await call(client());
        assert.equal(count.attempts, 2);
      });
    for (const [name, call] of Object.entries(others))
      it(`does not retry ${name} after ${what}`, async () => {
        const count = serve(fail);
        await assert.rejects(call(client()), { code: Code.Unavailable });
        // A retry would have come before this call.
        await client().getWorkflow({});
        assert.equal(count.attempts, 2);
      });
    it(`rejects with Unavailable after ${what} at two attempts`, async () => {
      const count = serve(fail, fail);
      await assert.rejects(client().getWorkflow({}), { code: Code.Unavailable });
      assert.equal(count.attempts, 2);
    });
  }

  for (const [what, { reject, attempts }] of Object.entries(rejections)) {
    for (const [name, call] of Object.entries({ ...idempotent, ...others }))
      it(`retries ${name} after ${what}`, async () => {
        const count = serve(reject);
        await call(client());
        assert.equal(count.attempts, 2);
      });
    it(`rejects with Unavailable after ${what} at every attempt`, async () => {
      const count = serve(reject, reject);
      await assert.rejects(client().submitWorkflow({}), { code: Code.Unavailable });
      assert.equal(count.attempts, attempts);
    });
  }

  for (const [what, fail] of Object.entries({
    ...lostStreams,
    CANCELLED: (stream: ServerStream) => stream.header(cancelled, "ends"),
  })) {
    const failHalfway = (stream: ServerStream) => {
      stream.header(grpcHeader);
      // Half of a message.
      stream.data(grpcMessage("w0").subarray(0, 7));
      fail(stream);
    };
    it(`retries a read after ${what} within the response, and drops what was received`, async () => {
      const count = serve(failHalfway, respondWith("w1"));
      assert.equal((await client().getWorkflow({})).id, "w1");
      assert.equal(count.attempts, 2);
    });
    it(`does not retry a submission or a stream after ${what} within the response`, async () => {
      const count = serve(failHalfway, failHalfway);
      await assert.rejects(client().submitWorkflow({}), { code: Code.Unavailable });
      const events = client().streamWorkflowEvents({})[Symbol.asyncIterator]();
      await assert.rejects(events.next(), { code: Code.Unavailable });
      assert.equal(count.attempts, 2);
    });
  }

  for (const [what, reject] of [
    ["responds with Unavailable", (stream) => stream.header({ ...grpcHeader, "grpc-status": "14" }, "ends")],
    ["is a proxy that responds with 503", (stream) => stream.header({ ":status": "503" }, "ends")],
    ["sends nothing more than headers", (stream) => stream.header(grpcHeader, "ends")],
  ] satisfies [string, (stream: ServerStream) => void][])
    it(`does not retry if the server ${what}`, async () => {
      const count = serve(reject);
      await assert.rejects(client().getWorkflow({}), { code: Code.Unavailable });
      assert.equal(count.attempts, 1);
    });

  it("rejects with the reason of the last attempt", async () => {
    serve(
      (stream) => stream.goaway(stream.streamId, 2),
      (stream) => stream.reset(8),
    );
    await assert.rejects(client().getWorkflow({}), { rawMessage: "the call was closed by HTTP/2 code 8" });
    serve(
      (stream) => {
        stream.header(grpcHeader);
        stream.header(cancelled, "ends");
      },
      (stream) => {
        stream.header(grpcHeader);
        stream.reset(8);
      },
    );
    await assert.rejects(client().getWorkflow({}), { rawMessage: "the call was closed by HTTP/2 code 8" });
  });

  it("does not retry once its signal has aborted", async () => {
    const leaving = new AbortController();
    const count = serve((stream) => {
      leaving.abort();
      stream.destroyConnection();
    });
    const call = client().getWorkflow({}, { signal: leaving.signal });
    await assert.rejects(call, { code: Code.Canceled });
    await client().getWorkflow({});
    assert.equal(count.attempts, 2);
  });

  it("ends with its signal at the second attempt too", async () => {
    const leaving = new AbortController();
    const count = serve(
      (stream) => stream.reset(8),
      () => leaving.abort(),
    );
    const call = client().getWorkflow({}, { signal: leaving.signal });
    await assert.rejects(call, { code: Code.Canceled });
    assert.equal(count.attempts, 2);
  });

  it("does not retry when the session pool was closed meanwhile", async () => {
    const { client, close } = poolClient(server().url);
    const count = serve(() => void close());
    await assert.rejects(client.getWorkflow({}), { code: Code.Unavailable });
    assert.equal(count.attempts, 1);
  });

  it("has one deadline for all attempts, and sends the rest of it", async () => {
    const upstream = await startUpstream();
    const left: number[] = [];
    upstream.rpcs.getWorkflow = async (_request, { signal, timeoutMs }) => {
      left.push(timeoutMs() ?? Infinity);
      // Held until the session is lost (a frozen server), or until the deadline.
      await whenAborted(signal);
      return {};
    };
    const { client, close } = poolClient(upstream.url);
    const halfMs = Math.min(scaled(1000), 4000);
    const startedAt = performance.now();
    const lost = setTimeout(() => upstream.dropConnections(), halfMs);
    await assert.rejects(client.getWorkflow({}, { timeoutMs: 2 * halfMs }), { code: Code.DeadlineExceeded });
    const tookMs = performance.now() - startedAt;
    clearTimeout(lost);
    assert.equal(left.length, 2);
    assert.ok((left[0] ?? 0) > halfMs + 5 && (left[1] ?? 0) <= halfMs + 5, `${left.join(" and ")} ms left`);
    assert.ok(tookMs >= 2 * halfMs - 5, `${tookMs} ms`);
    await close();
    await upstream.close();
  });
});

function respond(stream: ServerStream): void {
  stream.header(grpcHeader);
  // Valid for every message type: an unknown field.
  stream.data(Buffer.from([0, 0, 0, 0, 3, 0xf8, 0x07, 1]));
  stream.header({ "grpc-status": "0" }, "ends");
}
