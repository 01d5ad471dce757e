import assert from "node:assert/strict";
import { Code, ConnectError } from "@connectrpc/connect";
import { startTestGateway, suite } from "../support/gateway.ts";
import type { TestGateway } from "../support/gateway.ts";
import { upstreamOperations, withKeys } from "../support/operations.ts";
import { startStack } from "../support/stack.ts";
import { startStatusServer } from "../support/status-server.ts";

/** gRPC code → HTTP status, the code in the body, and whether to try again. */
const rows = [
  // Nobody here has cancelled the call: the orchestrator has dropped it.
  [Code.Canceled, 503, "UNAVAILABLE", true],
  [Code.Unknown, 500, "INTERNAL", false],
  [Code.InvalidArgument, 400, "INVALID_ARGUMENT", false],
  [Code.DeadlineExceeded, 504, "DEADLINE_EXCEEDED", "when-safe"],
  [Code.NotFound, 404, "NOT_FOUND", false],
  [Code.AlreadyExists, 409, "ALREADY_EXISTS", false],
  [Code.PermissionDenied, 403, "PERMISSION_DENIED", false],
  [Code.ResourceExhausted, 429, "RESOURCE_EXHAUSTED", true],
  [Code.FailedPrecondition, 400, "FAILED_PRECONDITION", false],
  [Code.Aborted, 409, "ABORTED", true],
  [Code.OutOfRange, 400, "OUT_OF_RANGE", false],
  [Code.Unimplemented, 501, "UNIMPLEMENTED", false],
  [Code.Internal, 500, "INTERNAL", false],
  [Code.Unavailable, 503, "UNAVAILABLE", true],
  [Code.DataLoss, 500, "INTERNAL", false],
  [Code.Unauthenticated, 401, "UNAUTHENTICATED", false],
] as const;

const secret = "db-7.internal: SELECT * FROM runs";

function messageFor(status: number, operation: string): string {
  if (status >= 500) return "internal server error";
  if (status === 401) return "a valid bearer token is required";
  // A missing workflow and a missing output look alike.
  return status === 404 && operation === "downloadArtifact" ? "artifact not found" : secret;
}

describe("errors", () => {
  describe("from the orchestrator", () => {
    const stack = suite(() => startStack(withKeys.rpcs, withKeys.settings));

    for (const { id, path, init, rpc, safe } of upstreamOperations) {
      for (const [code, status, name, retryable] of rows) {
        it(`answers ${Code[code]} of ${id}, ${safe ? "safe" : "not safe"} to repeat, with ${status}`, async () => {
          stack().upstream.rpcs[rpc] = () => {
            throw new ConnectError(secret, code);
          };
          const answer = await stack().gateway.fetch(path, init);
          const { trace_id, ...body } = (await answer.json()) as Record<string, unknown>;
          assert.equal(answer.status, status);
          assert.deepEqual(body, {
            code: name,
            message: messageFor(status, id),
            retryable: retryable === "when-safe" ? safe : retryable,
          });
          assert.match(String(trace_id), /^[0-9a-f]{32}$/);
          assert.equal(answer.headers.get("content-type"), "application/json; charset=utf-8");
          assert.equal(answer.headers.get("www-authenticate"), status === 401 ? "Bearer" : null);
          const retryAfter = answer.headers.get("retry-after");
          if (status === 429 || status === 503) assert.match(String(retryAfter), /^[1-9][0-9]*$/);
          else assert.equal(retryAfter, null);
          if (status >= 500) assertLogged(stack().gateway, String(trace_id), secret);
        });
      }
    }

    it("does not take a message beyond the gRPC limit for an exhausted quota", async () => {
      stack().upstream.rpcs.getWorkflow = () => {
        throw new ConnectError("grpc: received message larger than max (5 vs. 4)", Code.ResourceExhausted);
      };
      const answer = await stack().gateway.fetch("/v1/workflows/w1");
      assert.equal(answer.status, 500);
      assert.equal(answer.headers.get("retry-after"), null);
    });
  });

  describe("of a code that gRPC does not define", () => {
    const upstream = suite(() => startStatusServer(99, secret));
    const gateway = suite(() =>
      startTestGateway({ ORCHESTRATOR_ENDPOINT: upstream().url, ...withKeys.settings }),
    );

    for (const { id, path, init, safe } of upstreamOperations) {
      it(`answers it with 500 on ${id}, ${safe ? "safe" : "not safe"} to repeat`, async () => {
        const answer = await gateway().fetch(path, init);
        const { trace_id, ...body } = (await answer.json()) as Record<string, unknown>;
        assert.equal(answer.status, 500);
        assert.deepEqual(body, { code: "INTERNAL", message: "internal server error", retryable: false });
        assertLogged(gateway(), String(trace_id), "99");
      });
    }
  });
});

/** The cause of a 5xx is in the log, beside the trace id that the client was told. */
function assertLogged({ logs }: TestGateway, traceId: string, cause: string): void {
  const lines = logs.filter(({ event, trace_id }) => event === "request.failed" && trace_id === traceId);
  assert.equal(lines.length, 1);
  assert.ok(JSON.stringify(lines[0]).includes(cause));
}
