import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http2";
import type { ServerHttp2Session, ServerHttp2Stream } from "node:http2";
import { connect } from "node:net";
import type { AddressInfo } from "node:net";
import { create, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import express from "express";
import { AuthenticateApiKeyResponseSchema } from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import { HttpError } from "../../src/errors/http-error.ts";
import { encodeEnvelope } from "../../src/grpc/envelope.ts";
import { createFindClient } from "../../src/http/client.ts";
import { errorHandler } from "../../src/http/error-handler.ts";
import { client } from "../../src/middleware/client.ts";
import { trace } from "../../src/middleware/trace.ts";
import { createLogger } from "../../src/telemetry/logger.ts";
import { adminToken, startTestGateway, suite } from "../support/gateway.ts";
import type { TestGateway } from "../support/gateway.ts";
import { upstreamOperations, withKeys } from "../support/operations.ts";
import { serve } from "../support/serve.ts";
import { startStack } from "../support/stack.ts";

/** gRPC code → HTTP status, the code in the body, and whether to try again. */
const rows = [
  // The gateway has not cancelled the call: the orchestrator has dropped it.
  [Code.Canceled, 503, "UNAVAILABLE", true],
  [Code.Unknown, 500, "INTERNAL", false],
  [Code.InvalidArgument, 400, "INVALID_ARGUMENT", false],
  [Code.DeadlineExceeded, 504, "DEADLINE_EXCEEDED", "when-idempotent"],
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
  if (status === 401)
    return "a valid bearer token is required: send the header Authorization: Bearer <token>";
  // A missing workflow and a missing output look alike.
  return status === 404 && operation === "downloadArtifact" ? "artifact not found" : secret;
}

describe("errorHandler", () => {
  describe("errors of the orchestrator", () => {
    const stack = suite(() => startStack(withKeys.rpcs, withKeys.settings));

    for (const { id, path, init, rpc, safe } of upstreamOperations) {
      for (const [code, status, name, retryable] of rows) {
        it(`responds with ${status} to ${Code[code]} of ${id}, ${safe ? "safe" : "not safe"} to repeat`, async () => {
          stack().upstream.rpcs[rpc] = () => {
            throw new ConnectError(secret, code);
          };
          const response = await stack().gateway.fetch(path, init);
          const { trace_id, ...body } = (await response.json()) as Record<string, unknown>;
          assert.equal(response.status, status);
          assert.deepEqual(body, {
            code: name,
            message: messageFor(status, id),
            retryable: retryable === "when-idempotent" ? safe : retryable,
          });
          assert.match(String(trace_id), /^[0-9a-f]{32}$/);
          assert.equal(response.headers.get("content-type"), "application/json; charset=utf-8");
          assert.equal(response.headers.get("www-authenticate"), status === 401 ? "Bearer" : null);
          const retryAfter = response.headers.get("retry-after");
          if (status === 429 || status === 503) assert.match(String(retryAfter), /^[1-9][0-9]*$/);
          else assert.equal(retryAfter, null);
          if (status >= 500) assertLogged(stack().gateway, String(trace_id), secret);
        });
      }
    }

    it("responds with 500, not 429, to a message beyond the gRPC limit", async () => {
      stack().upstream.rpcs.getWorkflow = () => {
        throw new ConnectError("grpc: received message larger than max (5 vs. 4)", Code.ResourceExhausted);
      };
      const response = await stack().gateway.fetch("/v1/workflows/w1");
      assert.equal(response.status, 500);
      assert.equal(response.headers.get("retry-after"), null);
    });
  });

  describe("errors with a code that gRPC does not define", () => {
    const upstream = suite(() => startStatusServer(99, secret));
    const gateway = suite(() =>
      startTestGateway({ ORCHESTRATOR_ENDPOINT: upstream().url, ...withKeys.settings }),
    );

    for (const { id, path, init, safe } of upstreamOperations) {
      it(`responds with 500 on ${id}, ${safe ? "safe" : "not safe"} to repeat`, async () => {
        const response = await gateway().fetch(path, init);
        const { trace_id, ...body } = (await response.json()) as Record<string, unknown>;
        assert.equal(response.status, 500);
        assert.deepEqual(body, { code: "INTERNAL", message: "internal server error", retryable: false });
        assertLogged(gateway(), String(trace_id), "99");
      });
    }
  });
});

describe("an aborted upload", () => {
  const gateway = suite(() => startTestGateway());

  it("is logged as 499, not as a failure", async () => {
    const { hostname, port } = new URL(gateway().url);
    const socket = connect(Number(port), hostname);
    const headers = `POST /v1/workflows HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${adminToken}\r\n`;
    socket.write(
      `${headers}Content-Type: application/json\r\nContent-Length: 100\r\nExpect: 100-continue\r\n\r\n`,
    );
    await once(socket, "data");
    socket.destroy();
    while (!gateway().logs.some(({ event }) => event === "request.completed"))
      await once(gateway().logged, "line");
    assert.deepEqual(
      gateway().logs.map(({ event, status }) => ({ event, status })),
      [{ event: "request.completed", status: 499 }],
    );
  });
});

describe("an error that cannot be written as JSON", () => {
  const lines: string[] = [];
  const server = suite(async () => {
    const app = express();
    app.use(client(createFindClient([])), trace());
    app.get("/", () => {
      // A violation that type checks can always be written as JSON.
      throw new HttpError(Code.NotFound, "x", {
        violations: [{ path: 1n as unknown as string, message: "y" }],
      });
    });
    app.use(errorHandler(createLogger({ write: (line) => void lines.push(line) })));
    const { url, close } = await serve(app);
    return { url, close: () => close(0) };
  });

  it("gets a fixed body with 500", async () => {
    const response = await fetch(server().url);
    assert.equal(response.status, 500);
    assert.deepEqual(await response.json(), {
      code: "INTERNAL",
      message: "internal server error",
      retryable: false,
    });
    assert.match(lines.join(""), /BigInt/);
  });
});

/** The cause of a 5xx is in the log, with the trace id that the client has received. */
function assertLogged({ logs }: TestGateway, traceId: string, cause: string): void {
  const lines = logs.filter(({ event, trace_id }) => event === "request.failed" && trace_id === traceId);
  assert.equal(lines.length, 1);
  assert.ok(JSON.stringify(lines[0]).includes(cause));
}

/** Starts an orchestrator that responds to each call with the same gRPC status, known or not; every key is alice's. */
async function startStatusServer(grpcStatus: number, message: string) {
  const server = createServer();
  const sessions = new Set<ServerHttp2Session>();
  server.on("session", (session) => sessions.add(session));
  server.on("stream", (stream, { ":path": path = "" }) => {
    stream.resume();
    if (path.endsWith("/AuthenticateApiKey")) return respondAllowed(stream);
    stream.respond(
      {
        ":status": 200,
        "content-type": "application/grpc",
        "grpc-status": String(grpcStatus),
        "grpc-message": encodeURIComponent(message),
      },
      { endStream: true },
    );
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const session of sessions) session.destroy();
      await closed;
    },
  };
}

function respondAllowed(stream: ServerHttp2Stream): void {
  const response = create(AuthenticateApiKeyResponseSchema, { allowed: true, principal: "alice" });
  stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
  stream.once("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
  stream.end(encodeEnvelope(toBinary(AuthenticateApiKeyResponseSchema, response)));
}
