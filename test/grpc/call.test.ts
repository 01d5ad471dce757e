import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { EmptySchema } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import type { CallOptions } from "@connectrpc/connect";
import { errorResponse } from "../../src/errors/error-response.ts";
import { suite } from "../support/gateway.ts";
import type { DecodingClient } from "../support/orchestrator.ts";
import { frameType, grpcHeader, grpcMessage, startFrameServer } from "./frame-server.ts";
import type { Peer } from "./frame-server.ts";
import { richStatus } from "./transport-cases.ts";
import { transports } from "./transports.ts";

/** HTTP/2 CANCEL, and INTERNAL_ERROR. */
const codes = { cancel: 8, internal: 2 };

/** Each kind of call, as one promise of its first message. */
const kinds: Record<string, (client: DecodingClient, options: CallOptions) => Promise<unknown>> = {
  call: (client, options) => client.getWorkflow({}, options),
  stream: (client, options) => client.streamWorkflowEvents({}, options)[Symbol.asyncIterator]().next(),
};

const servers: Record<string, (peer: Peer) => void> = {
  "says nothing": () => undefined,
  "says no more than a header": (peer) => peer.header(grpcHeader),
  "says half a message": (peer) => {
    peer.header(grpcHeader);
    peer.data(grpcMessage("w1").subarray(0, 6));
  },
};

const { ours, stock } = transports;
for (const [name, create] of Object.entries({ ours, stock })) {
  describe(`a gRPC call (${name})`, () => {
    const server = suite(startFrameServer);
    const connection = suite(() => Promise.resolve(create(server().url)));
    const client = () => connection().client;

    for (const [kind, start] of Object.entries(kinds))
      for (const [what, serve] of Object.entries(servers)) {
        it(`is a ${kind} that ends at its deadline, here and there, where the server ${what}`, async () => {
          let served = 0;
          server().serve = (peer) => {
            served += 1;
            serve(peer);
          };
          const reset = server().next(frameType.reset);
          // On a busy machine a deadline may pass before the call is sent.
          while (served === 0) {
            await assert.rejects(start(client(), { timeoutMs: 20 }), {
              code: Code.DeadlineExceeded,
              rawMessage: "the operation timed out",
            });
          }
          // The stock transport tells the server of an error inside, where gRPC says CANCEL.
          const code = name === "ours" ? codes.cancel : codes.internal;
          assert.equal((await reset).payload.readUInt32BE(), code);
        });

        it(`is a ${kind} that ends with its signal, here and there, where the server ${what}`, async () => {
          const controller = new AbortController();
          const { signal } = controller;
          server().serve = (peer) => {
            serve(peer);
            controller.abort();
          };
          const reset = server().next(frameType.reset);
          await assert.rejects(start(client(), { signal }), { code: Code.Canceled });
          assert.equal((await reset).payload.readUInt32BE(), codes.cancel);
          assert.equal(getEventListeners(signal, "abort").length, 0);
        });
      }

    for (const [kind, start] of Object.entries(kinds)) {
      it(`is a ${kind} that sends nothing when its signal is aborted before`, async () => {
        let requests = 0;
        server().serve = (peer) => {
          requests++;
          peer.header({ ...grpcHeader, "grpc-status": "5" }, "ends");
        };
        const reason = new ConnectError("not any more", Code.Aborted);
        await assert.rejects(start(client(), { signal: AbortSignal.abort(reason) }), reason);
        await assert.rejects(start(client(), { signal: AbortSignal.abort() }), { code: Code.Canceled });
        await assert.rejects(start(client(), {}), { code: Code.NotFound });
        // The stock transport sends them, and resets them.
        if (name === "ours") assert.equal(requests, 1);
      });

      it(`is a ${kind} whose error carries the header, the trailers and the details`, async () => {
        server().serve = (peer) => {
          peer.header({ ...grpcHeader, "x-header": "1" });
          peer.header(
            { "grpc-status": "5", "grpc-status-details-bin": richStatus(5, "x"), "x-end": "2" },
            "ends",
          );
        };
        const error = await start(client(), {}).catch((thrown: unknown) => thrown);
        assert.ok(error instanceof ConnectError);
        assert.equal(error.metadata.get("x-header"), "1");
        assert.equal(error.metadata.get("x-end"), "2");
        assert.equal(error.metadata.get("grpc-status"), "5");
        assert.ok([...error.metadata.keys()].every((key) => !key.startsWith(":")));
        assert.equal(error.findDetails(EmptySchema).length, 1);
      });

      it(`is a ${kind} whose message over the limit is no exhausted quota, and the server's own is`, async () => {
        const answer = async () => {
          const error = await start(client(), {}).catch((thrown: unknown) => thrown);
          return errorResponse(error, { safeToRepeat: true }).body.code;
        };
        server().serve = (peer) => {
          peer.header(grpcHeader);
          peer.data(grpcMessage("w1", { length: 0xffffffff }));
        };
        const reset = server().next(frameType.reset);
        // What the official library says of it cannot be told from other faults.
        assert.equal(await answer(), name === "ours" ? "OUT_OF_RANGE" : "INTERNAL");
        if (name === "ours") assert.equal((await reset).payload.readUInt32BE(), codes.cancel);
        server().serve = (peer) =>
          peer.header({ ...grpcHeader, "grpc-status": "8", "grpc-message": "no more today" }, "ends");
        assert.equal(await answer(), "RESOURCE_EXHAUSTED");
      });
    }

    it("sends no more of its request once it is answered", async () => {
      // A server of its own: it never widens its windows, and the request is more than they let in.
      const strict = await startFrameServer();
      strict.serve = () => assert.fail("the whole request came");
      strict.serveEarly = (peer) => peer.header({ ...grpcHeader, "grpc-status": "5" }, "ends");
      const reset = strict.next(frameType.reset);
      const { client, close } = create(strict.url);
      const call = client.listWorkflows({ pageToken: "x".repeat(200_000) });
      await assert.rejects(call, { code: Code.NotFound });
      // The stock transport leaves the rest waiting.
      if (name === "ours") assert.equal((await reset).payload.readUInt32BE(), codes.cancel);
      await close();
      await strict.close();
    });

    it("tells its header and its trailer", async () => {
      server().serve = (peer) => {
        peer.header({ ...grpcHeader, "x-header": "1" });
        peer.data(grpcMessage("w1"));
        peer.header({ "grpc-status": "0", "x-end": "2" }, "ends");
      };
      const told: (string | null)[] = [];
      const options: CallOptions = {
        onHeader: (header) => told.push(header.get("x-header"), header.get("x-end")),
        onTrailer: (trailer) => told.push(trailer.get("x-header"), trailer.get("x-end")),
      };
      await client().getWorkflow({}, options);
      for await (const { workflowId } of client().streamWorkflowEvents({}, options)) {
        assert.equal(workflowId, "w1");
        assert.deepEqual(told.slice(4), ["1", null]);
      }
      assert.deepEqual(told, ["1", null, null, "2", "1", null, null, "2"]);
    });

    it("tells no header where there is only an error", async () => {
      server().serve = (peer) => peer.header({ ...grpcHeader, "grpc-status": "5" }, "ends");
      const onHeader = () => assert.fail("there is none");
      for (const start of Object.values(kinds)) {
        await assert.rejects(start(client(), { onHeader }), { code: Code.NotFound });
      }
    });

    it("fails with Internal where a message cannot be sent", async () => {
      await assert.rejects(client().listWorkflows({ pageSize: -1 }), { code: Code.Internal });
    });
  });
}
