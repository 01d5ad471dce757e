import assert from "node:assert/strict";
import { Code } from "@connectrpc/connect";
import { suite } from "../support/gateway.ts";
import { scaled } from "../support/machine.ts";
import type { DecodingClient } from "../support/orchestrator.ts";
import { whenAborted } from "../support/stack.ts";
import { startUpstream } from "../support/upstream.ts";
import { respondWith, grpcHeader, grpcMessage, startFrameServer } from "./frame-server.ts";
import type { Peer } from "./frame-server.ts";
import { poolClient } from "./transports.ts";

/** Ways to lose a call before any response. */
const losses: Record<string, (peer: Peer) => void> = {
  "a reset": (peer) => peer.reset(8),
  "a GOAWAY with an error": (peer) => peer.goaway(peer.streamId, 2),
  "the connection's end": (peer) => peer.hangUp(),
  "a broken connection": (peer) => peer.cut(),
};

/** Ways for a server to say that it has not processed a call, and how often it is sent if each attempt meets one. */
const refusals: Record<string, { refuse: (peer: Peer) => void; tries: number }> = {
  REFUSED_STREAM: { refuse: (peer) => peer.reset(7), tries: 3 },
  "a GOAWAY that leaves it out": { refuse: (peer) => peer.goaway(0, 0), tries: 3 },
};

const cancelled = { "grpc-status": "1", "grpc-message": "shutting down" };

/** Ways to lose it by a response that is nothing but its status. */
const drops: typeof losses = {
  CANCELLED: (peer) => peer.header({ ...grpcHeader, ...cancelled }, "ends"),
  "CANCELLED and a reset": (peer) => {
    peer.header({ ...grpcHeader, ...cancelled }, "ends");
    peer.reset(0);
  },
};

/** Idempotent calls, and the others. */
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

  /** Serves the first request one way and the others another; counts them. */
  function serve(first: (peer: Peer) => void, then = answer): { attempts: number } {
    const count = { attempts: 0 };
    server().serve = (peer) => {
      count.attempts += 1;
      (count.attempts === 1 ? first : then)(peer);
    };
    return count;
  }

  for (const [what, lose] of Object.entries({ ...losses, ...drops })) {
    for (const [name, call] of Object.entries(idempotent))
      it(`sends ${name} once more after ${what}`, async () => {
        const count = serve(lose);
        await call(client());
        assert.equal(count.attempts, 2);
      });
    for (const [name, call] of Object.entries(others))
      it(`does not retry ${name} after ${what}`, async () => {
        const count = serve(lose);
        await assert.rejects(call(client()), { code: Code.Unavailable });
        // A retry would have come before this call.
        await client().getWorkflow({});
        assert.equal(count.attempts, 2);
      });
    it(`rejects with Unavailable after ${what} at two attempts`, async () => {
      const count = serve(lose, lose);
      await assert.rejects(client().getWorkflow({}), { code: Code.Unavailable });
      assert.equal(count.attempts, 2);
    });
  }

  for (const [what, { refuse, tries }] of Object.entries(refusals)) {
    for (const [name, call] of Object.entries({ ...idempotent, ...others }))
      it(`retries ${name} after ${what}`, async () => {
        const count = serve(refuse);
        await call(client());
        assert.equal(count.attempts, 2);
      });
    it(`rejects with Unavailable after ${what} at every attempt`, async () => {
      const count = serve(refuse, refuse);
      await assert.rejects(client().submitWorkflow({}), { code: Code.Unavailable });
      assert.equal(count.attempts, tries);
    });
  }

  for (const [what, lose] of Object.entries({
    ...losses,
    CANCELLED: (peer: Peer) => peer.header(cancelled, "ends"),
  })) {
    const loseHalfway = (peer: Peer) => {
      peer.header(grpcHeader);
      // Half of a message.
      peer.data(grpcMessage("w0").subarray(0, 7));
      lose(peer);
    };
    it(`retries a read after ${what} within the response, and drops what was received`, async () => {
      const count = serve(loseHalfway, respondWith("w1"));
      assert.equal((await client().getWorkflow({})).id, "w1");
      assert.equal(count.attempts, 2);
    });
    it(`does not retry a submission or a stream after ${what} within the response`, async () => {
      const count = serve(loseHalfway, loseHalfway);
      await assert.rejects(client().submitWorkflow({}), { code: Code.Unavailable });
      const events = client().streamWorkflowEvents({})[Symbol.asyncIterator]();
      await assert.rejects(events.next(), { code: Code.Unavailable });
      assert.equal(count.attempts, 2);
    });
  }

  for (const [what, refuse] of [
    ["says Unavailable", (peer) => peer.header({ ...grpcHeader, "grpc-status": "14" }, "ends")],
    ["is a proxy that says 503", (peer) => peer.header({ ":status": "503" }, "ends")],
    ["sends nothing more than headers", (peer) => peer.header(grpcHeader, "ends")],
  ] satisfies [string, (peer: Peer) => void][])
    it(`does not retry if the server ${what}`, async () => {
      const count = serve(refuse);
      await assert.rejects(client().getWorkflow({}), { code: Code.Unavailable });
      assert.equal(count.attempts, 1);
    });

  it("rejects with the reason of the last attempt", async () => {
    serve(
      (peer) => peer.goaway(peer.streamId, 2),
      (peer) => peer.reset(8),
    );
    await assert.rejects(client().getWorkflow({}), { rawMessage: "the call was closed by HTTP/2 code 8" });
    serve(
      (peer) => {
        peer.header(grpcHeader);
        peer.header(cancelled, "ends");
      },
      (peer) => {
        peer.header(grpcHeader);
        peer.reset(8);
      },
    );
    await assert.rejects(client().getWorkflow({}), { rawMessage: "the call was closed by HTTP/2 code 8" });
  });

  it("does not retry once its signal has aborted", async () => {
    const leaving = new AbortController();
    const count = serve((peer) => {
      leaving.abort();
      peer.cut();
    });
    const call = client().getWorkflow({}, { signal: leaving.signal });
    await assert.rejects(call, { code: Code.Canceled });
    await client().getWorkflow({});
    assert.equal(count.attempts, 2);
  });

  it("ends with its signal at the second attempt too", async () => {
    const leaving = new AbortController();
    const count = serve(
      (peer) => peer.reset(8),
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
      // Held until it is lost, a frozen server, or until the deadline.
      await whenAborted(signal);
      return {};
    };
    const { client, close } = poolClient(upstream.url);
    const halfMs = scaled(1000);
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

function answer(peer: Peer): void {
  peer.header(grpcHeader);
  // A message of every type: a field that none of them knows.
  peer.data(Buffer.from([0, 0, 0, 0, 3, 0xf8, 0x07, 1]));
  peer.header({ "grpc-status": "0" }, "ends");
}
