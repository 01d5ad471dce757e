import assert from "node:assert/strict";
import { Code, ConnectError } from "@connectrpc/connect";
import type { CallOptions } from "@connectrpc/connect";
import { suite } from "../support/gateway.ts";
import type { DecodingClient } from "../support/orchestrator.ts";
import { startFrameServer } from "./frame-server.ts";
import { callCases } from "./transport-cases.ts";
import { transports } from "./transports.ts";

for (const [name, create] of Object.entries(transports)) {
  describe(`createGrpcTransport (${name})`, () => {
    const server = suite(startFrameServer);
    const connection = suite(() => Promise.resolve(create(server().url)));

    for (const [about, cases] of Object.entries(callCases)) {
      describe(`takes ${about}:`, () => {
        for (const { what, serve, unary, stream, stock } of cases) {
          const differs = name === "stock" ? stock : undefined;
          const options = differs?.timeoutMs === undefined ? {} : { timeoutMs: differs.timeoutMs };
          it(`${what}, in a call`, async () => {
            server().serve = serve;
            assertTold(await callOnce(connection().client, options), differs?.unary ?? unary);
          });
          it(`${what}, in a stream`, async () => {
            server().serve = serve;
            assertTold(await streamOnce(connection().client, options), differs?.stream ?? stream);
          });
        }
      });
    }
  });
}

/** Where no words are expected, any are right. */
function assertTold(actual: string, expected: string): void {
  assert.equal(expected.includes(" | ") ? actual : actual.replace(/ \| .*/s, ""), expected);
}

async function callOnce(client: DecodingClient, options: CallOptions): Promise<string> {
  return told([], async (ids) => void ids.push((await client.getWorkflow({}, options)).id));
}

async function streamOnce(client: DecodingClient, options: CallOptions): Promise<string> {
  return told([], async (ids) => {
    for await (const { workflowId } of client.streamWorkflowEvents({}, options)) ids.push(workflowId);
  });
}

async function told(ids: string[], exchange: (ids: string[]) => Promise<void>): Promise<string> {
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
