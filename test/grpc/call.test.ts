import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { EmptySchema } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import type { CallOptions } from "@connectrpc/connect";
import { errorResponse } from "../../src/errors/error-response.ts";
import { suite } from "../support/gateway.ts";
import type { DecodingClient } from "../support/orchestrator.ts";
import { frameType, grpcHeader, grpcMessage, startFrameServer } from "./frame-server.ts";
import type { ServerStream } from "./frame-server.ts";
import { richStatus } from "./transport-cases.ts";
import { poolClient } from "./transports.ts";

/** HTTP/2 CANCEL. */
const cancelCode = 8;

/** Each kind of call, as a promise of its first message. */
const kinds: Record<string, (client: DecodingClient, options: CallOptions) => Promise<unknown>> = {
  call: (client, options) => client.getWorkflow({}, options),
  stream: async (client, options) => client.streamWorkflowEvents({}, options)[Symbol.asyncIterator]().next(),
};

const servers: Record<string, (stream: ServerStream) => void> = {
  "sends nothing": () => undefined,
  "sends no more than headers": (stream) => stream.header(grpcHeader),
  "sends half a message": (stream) => {
    stream.header(grpcHeader);
    stream.data(grpcMessage("w1").subarray(0, 6));
  },
};

describe("Call", () => {
  const server = suite(startFrameServer);
  const connection = suite(() => Promise.resolve(poolClient(server().url)));
  const client = () => connection().client;

  for (const [kind, start] of Object.entries(kinds))
    for (const [what, serve] of Object.entries(servers)) {
      it(`ends a ${kind} at its deadline, here and on the server, which ${what}`, async () => {
        let served = 0;
        server().serve = (stream) => {
          served += 1;
          serve(stream);
        };
        const reset = server().next(frameType.reset);
        // On a busy machine a deadline may pass before the call is sent.
        while (served === 0) {
          await assert.rejects(start(client(), { timeoutMs: 20 }), {
            code: Code.DeadlineExceeded,
            rawMessage: "the operation timed out",
          });
        }
        assert.equal((await reset).payload.readUInt32BE(), cancelCode);
      });

      it(`ends a ${kind} with its signal, here and on the server, which ${what}`, async () => {
        const controller = new AbortController();
        const { signal } = controller;
        server().serve = (stream) => {
          serve(stream);
          controller.abort();
        };
        const reset = server().next(frameType.reset);
        await assert.rejects(start(client(), { signal }), { code: Code.Canceled });
        assert.equal((await reset).payload.readUInt32BE(), cancelCode);
        assert.equal(getEventListeners(signal, "abort").length, 0);
      });
    }

  for (const [kind, start] of Object.entries(kinds)) {
    it(`sends nothing of a ${kind} whose signal is already aborted`, async () => {
      let requests = 0;
      server().serve = (stream) => {
        requests++;
        stream.header({ ...grpcHeader, "grpc-status": "5" }, "ends");
      };
      const reason = new ConnectError("not any more", Code.Aborted);
      await assert.rejects(start(client(), { signal: AbortSignal.abort(reason) }), reason);
      await assert.rejects(start(client(), { signal: AbortSignal.abort() }), { code: Code.Canceled });
      await assert.rejects(start(client(), {}), { code: Code.NotFound });
      assert.equal(requests, 1);
    });

    it(`rejects a ${kind} with an error that carries the headers, the trailers and the details`, async () => {
      server().serve = (stream) => {
        stream.header({ ...grpcHeader, "x-header": "1" });
        stream.header(
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

    it(`distinguishes a message over the limit from an exhausted quota, for a ${kind}`, async () => {
      const errorCode = async () => {
        const error = await start(client(), {}).catch((thrown: unknown) => thrown);
        return errorResponse(error, { isIdempotent: true }).body.code;
      };
      server().serve = (stream) => {
        stream.header(grpcHeader);
        stream.data(grpcMessage("w1", { length: 0xffffffff }));
      };
      const reset = server().next(frameType.reset);
      assert.equal(await errorCode(), "OUT_OF_RANGE");
      assert.equal((await reset).payload.readUInt32BE(), cancelCode);
      server().serve = (stream) =>
        stream.header({ ...grpcHeader, "grpc-status": "8", "grpc-message": "no more today" }, "ends");
      assert.equal(await errorCode(), "RESOURCE_EXHAUSTED");
    });
  }

  it("sends no more of its request once it has the response", async () => {
    // This server never sends WINDOW_UPDATE, and the request is larger than its windows.
    const strict = await startFrameServer();
    strict.serve = () => assert.fail("the whole request was received");
    strict.serveEarly = (stream) => stream.header({ ...grpcHeader, "grpc-status": "5" }, "ends");
    const reset = strict.next(frameType.reset);
    const { client, close } = poolClient(strict.url);
    const call = client.listWorkflows({ pageToken: "x".repeat(200_000) });
    await assert.rejects(call, { code: Code.NotFound });
    assert.equal((await reset).payload.readUInt32BE(), cancelCode);
    await close();
    await strict.close();
  });

  it("passes the headers and the trailers of a call on", async () => {
    server().serve = (stream) => {
      stream.header({ ...grpcHeader, "x-header": "1" });
      stream.data(grpcMessage("w1"));
      stream.header({ "grpc-status": "0", "x-end": "2" }, "ends");
    };
    const seen: (string | null)[] = [];
    await client().getWorkflow(
      {},
      {
        onHeader: (header) => seen.push(header.get("x-header"), header.get("x-end")),
        onTrailer: (trailer) => seen.push(trailer.get("x-header"), trailer.get("x-end")),
      },
    );
    assert.deepEqual(seen, ["1", null, null, "2"]);
  });

  it("fails with Internal if a message cannot be encoded", async () => {
    await assert.rejects(client().listWorkflows({ pageSize: -1 }), { code: Code.Internal });
  });
});
