import assert from "node:assert/strict";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { once } from "node:events";
import { request } from "node:http";
import type { ClientRequest, IncomingMessage } from "node:http";
import { connect } from "node:net";
import type { Socket } from "node:net";
import { text } from "node:stream/consumers";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import { adminToken, suite } from "../support/gateway.ts";
import { oneStep, workflowIn } from "../support/samples.ts";
import { callsDuring, deferred, startStack } from "../support/stack.ts";

const mebibyte = 1024 * 1024;
const json = JSON.stringify(oneStep);

describe("an upload", () => {
  const stack = suite(() =>
    startStack(
      {
        authenticateApiKey: () => ({ allowed: false }),
        submitWorkflow: () => workflowIn(JobState.QUEUED),
        retryWorkflow: () => workflowIn(JobState.RUNNING),
      },
      { API_KEYS_ENABLED: "true" },
    ),
  );

  /** Sends the headers of a POST on a new connection; an empty token sends none. */
  function post(path: string, headers: Record<string, string | number>, token = adminToken): ClientRequest {
    const { hostname, port } = new URL(stack().gateway.url);
    const authorization = token === "" ? {} : { Authorization: `Bearer ${token}` };
    // An agent for one connection would ask the gateway to close it.
    const own = { Connection: "keep-alive", "Content-Type": "application/json" };
    const all = { ...own, ...authorization, ...headers };
    const outgoing = request({ hostname, port, path, method: "POST", agent: false, headers: all });
    outgoing.flushHeaders();
    return outgoing.on("error", () => undefined);
  }

  const responseTo = async (outgoing: ClientRequest) =>
    ((await once(outgoing, "response")) as [IncomingMessage])[0];

  /** Writes until everything is sent or the connection is closed. */
  async function sendAll(outgoing: ClientRequest, bytes: number, chunkBytes = 64 * 1024): Promise<void> {
    const chunk = Buffer.alloc(chunkBytes, " ");
    const closed = once(outgoing, "close");
    for (let sent = 0; sent < bytes && !outgoing.closed; sent += chunk.length) {
      if (!outgoing.write(chunk)) await Promise.race([once(outgoing, "drain"), closed]);
    }
  }

  /** What the gateway's process reads from the connection of the POST that comes while `act` runs, in bytes. */
  async function bytesReadDuring(act: () => Promise<void>): Promise<number> {
    const sockets: Socket[] = [];
    const note = (message: unknown) => {
      const { request, socket } = message as { request: IncomingMessage; socket: Socket };
      if (request.method === "POST") sockets.push(socket);
    };
    subscribe("http.server.request.start", note);
    await act();
    unsubscribe("http.server.request.start", note);
    const [socket] = sockets;
    assert.ok(socket !== undefined && sockets.length === 1);
    if (!socket.closed) await once(socket, "close");
    return socket.bytesRead;
  }

  const inChunks = { "Transfer-Encoding": "chunked" };
  const announced = { "Content-Length": 50 * mebibyte };
  for (const [what, path, framing, token, status, limit] of [
    ["without a token", "/v1/workflows", announced, "", 401, mebibyte / 4],
    ["in chunks without a token", "/v1/workflows", inChunks, "", 401, mebibyte / 4],
    ["with a wrong token", "/v1/workflows", announced, "wrong", 401, mebibyte / 4],
    ["to an unknown path", "/v1/nothing", inChunks, "", 404, mebibyte / 4],
    ["to an operation without a body", "/v1/workflows/w1/retry", announced, adminToken, 200, mebibyte / 4],
    ["with a Content-Length", "/v1/workflows", announced, adminToken, 413, mebibyte / 4],
    ["in chunks", "/v1/workflows", inChunks, adminToken, 413, 1.25 * mebibyte],
  ] as const) {
    it(`of 50 MiB ${what} gets ${status} after less than ${limit / 1024} KiB were read`, async () => {
      const read = await bytesReadDuring(async () => {
        const outgoing = post(path, framing, token);
        const responded = responseTo(outgoing);
        const sent = sendAll(outgoing, 50 * mebibyte);
        const response = await responded;
        assert.equal(response.statusCode, status);
        assert.equal(response.headers.connection, "close");
        assert.ok(JSON.parse(await text(response)));
        outgoing.destroy();
        await sent;
      });
      assert.ok(read < limit, `${read} bytes`);
    });
  }

  it("in small chunks is not read during authentication", async () => {
    const lookedUp = deferred();
    const mayReject = deferred();
    stack().upstream.rpcs.authenticateApiKey = async () => {
      lookedUp.resolve();
      await mayReject.promise;
      return { allowed: false };
    };
    const read = await bytesReadDuring(async () => {
      const outgoing = post("/v1/workflows", inChunks, "a-key");
      const responded = responseTo(outgoing);
      const sent = sendAll(outgoing, 16 * mebibyte, 1000);
      await lookedUp.promise;
      const probes = connect(Number(new URL(stack().gateway.url).port), "127.0.0.1");
      // During each response, the gateway could have read more.
      for (let round = 0; round < 300; round += 1) {
        probes.write("GET /v1/healthz HTTP/1.1\r\nHost: x\r\n\r\n");
        await once(probes, "data");
      }
      probes.destroy();
      mayReject.resolve();
      assert.equal((await responded).statusCode, 401);
      outgoing.destroy();
      await sent;
    });
    assert.ok(read < mebibyte / 4, `${read} bytes`);
  });

  it("gets 100 Continue after authentication", async () => {
    const outgoing = post("/v1/workflows", { Expect: "100-continue", "Content-Length": json.length });
    await once(outgoing, "continue");
    const responded = responseTo(outgoing);
    outgoing.end(json);
    const response = await responded;
    assert.equal(response.statusCode, 201);
    assert.equal(response.headers.connection, "keep-alive");
    outgoing.destroy();
  });

  for (const [what, path, headers, token, status] of [
    ["an unknown client", "/v1/workflows", { "Content-Length": json.length }, "", 401],
    ["a too large body", "/v1/workflows", { "Content-Length": mebibyte + 1 }, adminToken, 413],
    [
      "a body that is not JSON",
      "/v1/workflows",
      { "Content-Length": 1, "Content-Type": "text/plain" },
      adminToken,
      415,
    ],
    ["an operation without a body", "/v1/workflows/w1/retry", { "Content-Length": 1 }, adminToken, 200],
  ] as const) {
    it(`gets ${status} at once and no 100 Continue, and the connection closes: ${what}`, async () => {
      const outgoing = post(path, { Expect: "100-continue", ...headers }, token);
      outgoing.on("continue", () => assert.fail("100 Continue was sent"));
      const response = await responseTo(outgoing);
      assert.equal(response.statusCode, status);
      assert.equal(response.headers.connection, "close");
      outgoing.destroy();
    });
  }

  it("gets no 100 Continue over HTTP/1.0", async () => {
    const calls = await callsDuring(stack().upstream, async () => {
      const { hostname, port } = new URL(stack().gateway.url);
      const socket = connect(Number(port), hostname);
      socket.write(
        `POST /v1/workflows HTTP/1.0\r\nAuthorization: Bearer ${adminToken}\r\nExpect: 100-continue\r\n` +
          `Content-Type: application/json\r\nContent-Length: ${json.length}\r\n\r\n${json}`,
      );
      assert.match(await text(socket), /^HTTP\/1\.1 201 /);
    });
    assert.equal(calls.length, 1);
  });
});
