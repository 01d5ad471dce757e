import assert from "node:assert/strict";
import { once } from "node:events";
import { Code, ConnectError } from "@connectrpc/connect";
import { createApiKeyLookup } from "../../src/auth/api-key-lookup.ts";
import { traceContextFrom, traceparentOf } from "../../src/telemetry/trace-context.ts";
import { suite } from "../support/gateway.ts";
import { hang } from "../support/hang.ts";
import { encodedClientSuite } from "../support/orchestrator.ts";
import { startUpstream } from "../support/upstream.ts";

const trace = traceContextFrom(undefined, undefined);

describe("createApiKeyLookup", () => {
  const upstream = suite(startUpstream);
  const client = encodedClientSuite(upstream);
  const lookUp = (timeoutMs = 5000, { signal } = new AbortController()) =>
    createApiKeyLookup(client(), timeoutMs)("ab", trace, signal);

  for (const [response, status] of [
    [
      { allowed: true, principal: "alice" },
      { allowed: true, principal: "alice" },
    ],
    [{ allowed: false, principal: "alice", denyReason: "revoked" }, { allowed: false }],
    [{}, { allowed: false }],
  ] as const)
    it(`returns ${JSON.stringify(status)} for ${JSON.stringify(response)}`, async () => {
      upstream().rpcs.authenticateApiKey = ({ keyHash }) => {
        assert.equal(keyHash, "ab");
        return response;
      };
      assert.deepEqual(await lookUp(), status);
    });

  for (const principal of ["", " ", "alice ", " alice", "al\tice", "alice\r\nff-principal: bob", "ž"])
    it(`rejects the principal ${JSON.stringify(principal)}, which cannot be sent as metadata`, async () => {
      upstream().rpcs.authenticateApiKey = () => ({ allowed: true, principal });
      await assert.rejects(lookUp(), /cannot be sent as metadata/);
    });

  it("sends the trace and no principal", async () => {
    upstream().rpcs.authenticateApiKey = () => ({});
    await lookUp();
    const { rpc, metadata } = upstream().calls.at(-1)!;
    assert.equal(rpc, "AuthenticateApiKey");
    assert.equal(metadata.get("traceparent"), traceparentOf(trace));
    assert.equal(metadata.get("ff-principal"), null);
  });

  it("rejects when the orchestrator fails", async () => {
    upstream().rpcs.authenticateApiKey = () => {
      throw new ConnectError("no database", Code.Unavailable);
    };
    await assert.rejects(lookUp(), { code: Code.Unavailable });
  });

  it("rejects when there is no response within the timeout", async () => {
    upstream().rpcs.authenticateApiKey = async (_request, { signal }) => {
      await once(signal, "abort");
      return {};
    };
    await assert.rejects(lookUp(50), { code: Code.DeadlineExceeded });
  });

  it("cancels the call when its signal aborts", async () => {
    const { started, cancelled } = hang(upstream(), "authenticateApiKey");
    const controller = new AbortController();
    const lookup = lookUp(5000, controller);
    await started;
    controller.abort();
    await assert.rejects(lookup, { code: Code.Canceled });
    await cancelled;
  });
});
