import assert from "node:assert/strict";
import { Code, ConnectError } from "@connectrpc/connect";
import { OrchestratorService } from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import { createGrpcTransport } from "../../src/grpc/transport.ts";
import { suite } from "../support/gateway.ts";
import type { DecodingClient } from "../support/orchestrator.ts";
import { startFrameServer } from "./frame-server.ts";
import { callCases } from "./transport-cases.ts";
import { connectionKinds, poolClient, readMaxBytes, sessionPool } from "./transports.ts";

for (const [kind, createConnection] of Object.entries(connectionKinds))
  describe(`createGrpcTransport and createServerStreamFunction over ${kind}`, () => {
    const server = suite(startFrameServer);
    const connection = suite(() => Promise.resolve(poolClient(server().url, { createConnection })));

    for (const [about, cases] of Object.entries(callCases)) {
      describe(`${about}:`, () => {
        for (const { what, serve, unary, stream } of cases) {
          it(`a call reads ${what} as ${unary}`, async () => {
            server().serve = serve;
            assertOutcome(await callOnce(connection().client), unary);
          });
          it(`a stream reads ${what} as ${stream}`, async () => {
            server().serve = serve;
            assertOutcome(await streamOnce(connection().client), stream);
          });
        }
      });
    }
  });

describe("createGrpcTransport", () => {
  it("rejects streams with Unimplemented", async () => {
    const opener = sessionPool("http://127.0.0.1:1");
    const { stream } = createGrpcTransport({ opener, pathPrefix: "", readMaxBytes });
    const method = OrchestratorService.method.streamWorkflowEvents;
    async function* none() {
      yield await Promise.resolve({});
    }
    const call = stream(method, undefined, undefined, undefined, none());
    await assert.rejects(call, { code: Code.Unimplemented });
  });
});

/** An expected outcome without an error message matches any message. */
function assertOutcome(actual: string, expected: string): void {
  assert.equal(expected.includes(" | ") ? actual : actual.replace(/ \| .*/s, ""), expected);
}

async function callOnce(client: DecodingClient): Promise<string> {
  return outcomeOf([], async (ids) => void ids.push((await client.getWorkflow({})).id));
}

async function streamOnce(client: DecodingClient): Promise<string> {
  return outcomeOf([], async (ids) => {
    for await (const { workflowId } of client.streamWorkflowEvents({})) ids.push(workflowId);
  });
}

async function outcomeOf(ids: string[], exchange: (ids: string[]) => Promise<void>): Promise<string> {
  const outcome = await exchange(ids).then(
    () => "OK",
    (error: unknown) => {
      assert.ok(error instanceof ConnectError);
      const code = error.code in Code ? Code[error.code] : String(error.code);
      return error.rawMessage === "" ? code : `${code} | ${error.rawMessage}`;
    },
  );
  return [...ids.map((id) => id || "-"), outcome].join(" ");
}
