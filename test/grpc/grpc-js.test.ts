import assert from "node:assert/strict";
import { create } from "@bufbuild/protobuf";
import type { Message } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import * as grpc from "@grpc/grpc-js";
import {
  WorkflowEventSchema,
  WorkflowSchema,
} from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import { connectTo } from "../support/orchestrator.ts";
import { suite } from "../support/gateway.ts";
import { startGrpcJsOrchestrator } from "../support/grpc-js-orchestrator.ts";
import type { GrpcJsOrchestrator, StreamingRpc, UnaryRpc } from "../support/grpc-js-orchestrator.ts";

const event = (id: number): Message => create(WorkflowEventSchema, { workflowId: `w${id}` });

/** A server of grpc-js, and its client. */
async function startPair() {
  const server = await startGrpcJsOrchestrator();
  const { client, close } = connectTo([server.url]);
  return {
    server,
    client,
    async close() {
      close();
      await server.close();
    },
  };
}

/** Serves both kinds of calls. */
function serve({ rpcs }: GrpcJsOrchestrator, unary: UnaryRpc, stream: StreamingRpc): void {
  rpcs["GetWorkflow"] = unary;
  rpcs["StreamWorkflowEvents"] = stream;
}

describe("createOrchestrator with a grpc-js server", () => {
  const pair = suite(startPair);
  const client = () => pair().client;
  const first = (options = {}) => client().streamWorkflowEvents({}, options)[Symbol.asyncIterator]().next();
  const kinds = [
    ["call", (options = {}) => client().getWorkflow({ workflowId: "w1" }, options)],
    ["stream", first],
  ] as const;

  it("sends the message, the metadata and the deadline of a call", async () => {
    const seen: unknown[] = [];
    serve(
      pair().server,
      (call, callback) => {
        const { workflowId } = call.request as Message & { workflowId: string };
        const left = Number(call.getDeadline()) - Date.now();
        seen.push(workflowId, call.metadata.get("ff-principal"), left > 0 && left <= 60_000);
        callback(null, create(WorkflowSchema, { id: workflowId }));
      },
      () => undefined,
    );
    const options = { timeoutMs: 60_000, headers: { "ff-principal": "alice" } };
    assert.equal((await client().getWorkflow({ workflowId: "w7" }, options)).id, "w7");
    assert.deepEqual(seen, ["w7", ["alice"], true]);
  });

  it("streams every message in its order", async () => {
    serve(
      pair().server,
      () => undefined,
      (call) => {
        for (let id = 0; id < 2000; id++) call.write(event(id));
        call.end();
      },
    );
    const ids: string[] = [];
    for await (const { workflowId } of client().streamWorkflowEvents({})) ids.push(workflowId);
    assert.deepEqual(
      ids,
      Array.from({ length: 2000 }, (_, id) => `w${id}`),
    );
  });

  for (const [kind, start] of kinds) {
    for (const code of Object.values(grpc.status).filter((value) => typeof value === "number")) {
      if (code === grpc.status.OK) continue;
      it(`rejects a ${kind} with the server's ${grpc.status[code]}, its message and its metadata`, async () => {
        const metadata = new grpc.Metadata();
        metadata.set("x-end", "2");
        const error = { code, details: "Zahl zu groß — 100 %", metadata };
        serve(
          pair().server,
          (_call, callback) => callback(error),
          (call) => call.emit("error", error),
        );
        const thrown = await start().catch((reason: unknown) => reason);
        assert.ok(thrown instanceof ConnectError);
        // CANCELLED without a cancellation by this side means that the call was lost.
        const told = code === grpc.status.CANCELLED ? grpc.status.UNAVAILABLE : code;
        assert.deepEqual([thrown.code, thrown.rawMessage], [told, error.details]);
        assert.equal(thrown.metadata.get("x-end"), "2");
      });
    }

    it(`rejects a ${kind} that the server does not have with Unimplemented`, async () => {
      delete pair().server.rpcs["GetWorkflow"];
      delete pair().server.rpcs["StreamWorkflowEvents"];
      await assert.rejects(start(), { code: Code.Unimplemented });
    });

    for (const [what, code, end] of [
      ["deadline", Code.DeadlineExceeded, () => undefined],
      ["signal", Code.Canceled, (controller: AbortController) => controller.abort()],
    ] as const)
      it(`cancels a ${kind} on the server at its ${what}`, async () => {
        const controller = new AbortController();
        const cancelled = Promise.withResolvers<undefined>();
        let served = 0;
        const hang = (call: {
          cancelled: boolean;
          once(event: "cancelled", listener: () => void): unknown;
        }) => {
          served += 1;
          if (call.cancelled) cancelled.resolve(undefined);
          call.once("cancelled", () => cancelled.resolve(undefined));
          end(controller);
        };
        serve(pair().server, hang, hang);
        const options = what === "signal" ? { signal: controller.signal } : { timeoutMs: 20 };
        // On a busy machine a deadline may pass before the server has the call.
        while (served === 0) await assert.rejects(start(options), { code });
        await cancelled.promise;
      });

    it(`rejects a ${kind} with Unavailable when the server dies, and connects to the next one`, async () => {
      const mortal = await startGrpcJsOrchestrator();
      const port = Number(new URL(mortal.url).port);
      const { client, close } = connectTo([mortal.url]);
      const begin = () =>
        kind === "call"
          ? client.getWorkflow({})
          : client.streamWorkflowEvents({})[Symbol.asyncIterator]().next();
      serve(
        mortal,
        () => void mortal.close(),
        () => void mortal.close(),
      );
      await assert.rejects(begin(), { code: Code.Unavailable });
      await assert.rejects(begin(), { code: Code.Unavailable });
      const replacement = await startGrpcJsOrchestrator(port);
      serve(
        replacement,
        (_call, callback) => callback(null, create(WorkflowSchema)),
        (call) => {
          call.write(event(1));
          call.end();
        },
      );
      await begin();
      close();
      await replacement.close();
    });
  }

  it("cancels a stream on the server when its iteration is left", async () => {
    const cancelled = Promise.withResolvers<undefined>();
    serve(
      pair().server,
      () => undefined,
      (call) => {
        call.once("cancelled", () => cancelled.resolve(undefined));
        call.write(event(1));
      },
    );
    for await (const { workflowId } of client().streamWorkflowEvents({})) {
      assert.equal(workflowId, "w1");
      break;
    }
    await cancelled.promise;
  });

  it("carries messages of many megabytes", async () => {
    const name = "M".repeat(10 * 1024 * 1024);
    serve(
      pair().server,
      (_call, callback) => callback(null, create(WorkflowSchema, { id: name })),
      () => undefined,
    );
    assert.equal((await client().getWorkflow({})).id, name);
  });
});
