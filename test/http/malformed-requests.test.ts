import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import type { AddressInfo, Socket } from "node:net";
import { buffer, text } from "node:stream/consumers";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import { Connections } from "../../src/http/connections.ts";
import { createMalformedRequests } from "../../src/http/malformed-requests.ts";
import { createLogger } from "../../src/telemetry/logger.ts";
import { createMetrics } from "../../src/telemetry/metrics.ts";
import { adminToken, startTestGateway, suite } from "../support/gateway.ts";
import { serveBytes, startTestStore, storeSettings } from "../support/object-store.ts";
import { sendText } from "../support/raw-http.ts";
import { sha256, stepEvent, workflowEvent, workflowIn } from "../support/samples.ts";
import { whenAborted, callsDuring, deferred, startStack } from "../support/stack.ts";

const authorization = `Authorization: Bearer ${adminToken}\r\n`;
const withHeaders = (line: string) => `${line}\r\nHost: x\r\n${authorization}`;
const get = withHeaders("GET /v1/workflows/w1 HTTP/1.1");
const chunked = (path: string) =>
  `${withHeaders(`POST ${path} HTTP/1.1`)}Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n`;

/** What no parser may accept: another parser could read each as two requests. */
const malformed: [what: string, text: string, status: number][] = [
  ["a line that ends in LF alone", `GET /v1/workflows/w1 HTTP/1.1\nHost: x\r\n${authorization}\r\n`, 400],
  ["a header that ends in LF alone", `${get}X: y\n\r\n`, 400],
  ["headers that end in LF alone", `${get}\n`, 400],
  ["a bare CR", `${get}X: a\rb\r\n\r\n`, 400],
  ["a folded header", `${get}X: a\r\n b\r\n\r\n`, 400],
  [
    "a space before the first header",
    `GET /v1/workflows/w1 HTTP/1.1\r\n Host: x\r\n${authorization}\r\n`,
    400,
  ],
  ["a space before a colon", `${get}Content-Length : 0\r\n\r\n`, 400],
  ["NUL in a header", `${get}X: a\0b\r\n\r\n`, 400],
  ["two Content-Length that differ", `${get}Content-Length: 0\r\nContent-Length: 5\r\n\r\n`, 400],
  ["two Content-Length that agree", `${get}Content-Length: 0\r\nContent-Length: 0\r\n\r\n`, 400],
  ["a list of Content-Lengths", `${get}Content-Length: 0, 0\r\n\r\n`, 400],
  ["Content-Length: +5", `${get}Content-Length: +5\r\n\r\nabcde`, 400],
  [
    "Content-Length, then Transfer-Encoding",
    `${get}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n`,
    400,
  ],
  [
    "Transfer-Encoding, then Content-Length",
    `${get}Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n`,
    400,
  ],
  ["an empty Transfer-Encoding", `${get}Transfer-Encoding:\r\n\r\n`, 400],
  ["chunked, which is not the last coding", `${get}Transfer-Encoding: chunked, identity\r\n\r\n`, 400],
  ["an unknown HTTP version", `GET /v1/workflows/w1 HTTP/1.2\r\nHost: x\r\n${authorization}\r\n`, 400],
  ["the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400],
  ["the hello of TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400],
  ["CONNECT", withHeaders("CONNECT example.org:443 HTTP/1.1") + "\r\n", 400],
  ["a chunk's size that is no number", `${chunked("/v1/workflows")}ZZ\r\n`, 400],
  ["a chunk's size that ends in LF alone", `${chunked("/v1/workflows")}2\n{}\r\n0\r\n\r\n`, 400],
  ["a bad chunk for an operation without a body", `${chunked("/v1/workflows/w1/retry")}ZZ\r\n`, 400],
  ["20 KiB of chunk extensions", `${chunked("/v1/workflows")}5;${"x".repeat(20_000)}\r\n`, 413],
  ["a request target of 50 KiB", `GET /${"x".repeat(50_000)} HTTP/1.1\r\nHost: x\r\n\r\n`, 414],
  ["50 KiB of headers", `${get}X: ${"x".repeat(50_000)}\r\n\r\n`, 431],
];

describe("a malformed request", () => {
  const stack = suite(() =>
    startStack({
      getWorkflow: () => workflowIn(JobState.RUNNING),
      retryWorkflow: () => workflowIn(JobState.RUNNING),
      submitWorkflow: () => workflowIn(JobState.QUEUED),
    }),
  );

  before("warm up", async () => {
    await (await stack().gateway.fetch("/v1/workflows/w1")).text();
  });

  for (const [what, sent, status] of malformed) {
    it(`gets ${status} and a closed connection, without a call: ${what}`, async () => {
      const calls = await callsDuring(stack().upstream, async () => {
        const response = await sendText(stack().gateway.url, sent);
        const [, first, body = ""] = /^HTTP\/1\.1 (\d+) .*?\r\n\r\n(.*)$/s.exec(response) ?? [];
        assert.equal(Number(first), status, response);
        assert.match(response, /^connection: close\r$/im);
        assert.match(response, /^content-type: application\/json; charset=utf-8\r$/im);
        const { trace_id, message, ...rest } = JSON.parse(body);
        assert.deepEqual(rest, { code: "INVALID_ARGUMENT", retryable: false });
        assert.ok(message.length > 0);
        assert.match(String(trace_id), /^[0-9a-f]{32}$/);
        assert.equal(stack().gateway.logs.filter((line) => line.trace_id === trace_id).length, 1);
      });
      assert.deepEqual(calls, []);
    });
  }

  it("is logged with its error code, never with its bytes", () => {
    const lines = stack().gateway.logs.filter(({ event }) => event === "malformed_request.rejected");
    assert.equal(lines.length, malformed.length);
    assert.ok(lines.some(({ reason }) => reason === "HPE_INVALID_CHUNK_SIZE"));
    assert.ok(!stack().gateway.logText.includes(adminToken));
  });

  it("is counted without method and path", async () => {
    const metrics = await (await stack().gateway.fetch("/metrics")).text();
    const unread = [
      ...metrics.matchAll(/^foldforge_gateway_http_requests_total\{(.*\(unread\).*)\} (\d+)$/gm),
    ];
    assert.deepEqual(
      unread.map(([, labels, count]) => [labels, Number(count)]),
      [
        ['method="(unread)",path="(unmatched)",status="400"', 20],
        ['method="(unread)",path="(unmatched)",status="414"', 1],
        ['method="(unread)",path="(unmatched)",status="431"', 1],
      ],
    );
  });

  it("in a body is counted and logged with the request", async () => {
    const metrics = await (await stack().gateway.fetch("/metrics")).text();
    const submissions =
      /^foldforge_gateway_http_requests_total\{method="POST",path="(\S+)",status="(\d+)"\} (\d+)$/gm;
    assert.deepEqual(
      [...metrics.matchAll(submissions)]
        .map(([, path, status, count]) => `${path} ${status} ${count}`)
        .sort(),
      ["/v1/workflows 400 2", "/v1/workflows 413 1", "/v1/workflows/{id}/retry 400 1"],
    );
    const lines = stack().gateway.logs.filter(
      ({ event, method }) => event === "request.completed" && method === "POST",
    );
    assert.deepEqual(lines.map(({ status }) => status).sort(), [400, 400, 400, 413]);
  });

  it("in a body lets a client that is still sending read the whole response", async () => {
    const { hostname, port } = new URL(stack().gateway.url);
    const socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true });
    socket.write(`${chunked("/v1/workflows")}ZZ\r\n`);
    // More than the gateway's buffers take: some of it is never read.
    socket.write(Buffer.alloc(50_000_000));
    // It would be rejected by a reset.
    assert.match(await text(socket), /^HTTP\/1\.1 400 [^]*\}$/);
    socket.destroy();
  });

  /** A connection, and everything received on it. */
  function open() {
    const { hostname, port } = new URL(stack().gateway.url);
    const socket = connect(Number(port), hostname).on("error", () => undefined);
    let received = "";
    socket.setEncoding("latin1").on("data", (part: string) => (received += part));
    return {
      socket,
      async until(part: string) {
        while (!received.includes(part)) await once(socket, "data");
      },
      /** Resolves to everything once the gateway has closed it. */
      async all() {
        if (!socket.closed) await new Promise((resolve) => socket.once("close", resolve));
        return received;
      },
    };
  }

  /** The statuses of the responses in a text, if all are complete and nothing is between them. */
  function statusesIn(text: string): number[] {
    const statuses: number[] = [];
    for (let rest = text; rest !== "";) {
      const [headers = "", status] =
        /^HTTP\/1\.1 (\d+) [^]*?\r\n\r\n/.exec(rest) ?? assert.fail(rest.slice(0, 200));
      const length = Number(/^content-length: (\d+)\r$/im.exec(headers)?.[1] ?? assert.fail(headers));
      assert.ok(rest.length >= headers.length + length);
      statuses.push(Number(status));
      rest = rest.slice(headers.length + length);
    }
    return statuses;
  }

  const behind: [what: string, text: string, status: number][] = [
    ["junk", "junk\r\n\r\n", 400],
    ["a second junk", "junk\r\n\r\njunk\r\n\r\n", 400],
    ["CONNECT", `${withHeaders("CONNECT example.org:443 HTTP/1.1")}\r\n`, 400],
    ["headers that are too large", `${get}X: ${"x".repeat(50_000)}\r\n\r\n`, 431],
    ["a request whose body is no chunk", `${chunked("/v1/workflows")}ZZ\r\n`, 400],
  ];
  for (const [what, text, status] of behind)
    it(`gets ${status} after the responses before it, which are complete: ${what}`, async () => {
      const begun = deferred();
      const mayAnswer = deferred();
      stack().upstream.rpcs.getWorkflow = async () => {
        begun.resolve();
        await mayAnswer.promise;
        return workflowIn(JobState.RUNNING);
      };
      const { socket, all } = open();
      const calls = await callsDuring(stack().upstream, async () => {
        socket.write(`${get}\r\n`);
        await begun.promise;
        socket.write(`${get}\r\n${text}`);
        mayAnswer.resolve();
        const received = await all();
        assert.deepEqual(statusesIn(received), [200, 200, status]);
        assert.equal(received.match(/^connection: close\r$/gim)?.length, 1);
      });
      assert.deepEqual(
        calls.map(({ rpc }) => rpc),
        ["GetWorkflow", "GetWorkflow"],
      );
      const metrics = await (await stack().gateway.fetch("/metrics")).text();
      assert.match(metrics, new RegExp(`method="\\(unread\\)",path="\\(unmatched\\)",status="${status}"`));
    });

  it("gets no response after a response that closes the connection", async () => {
    const { socket, all } = open();
    stack().upstream.rpcs.getWorkflow = () => workflowIn(JobState.RUNNING);
    socket.write(`${get}Connection: close\r\n\r\njunk\r\n\r\n`);
    assert.deepEqual(statusesIn(await all()), [200]);
  });

  it("does not end an event stream before it", async () => {
    const mayEnd = deferred();
    stack().upstream.rpcs.streamWorkflowEvents = async function* () {
      yield workflowEvent(1n, JobState.RUNNING);
      await mayEnd.promise;
      yield workflowEvent(2n, JobState.SUCCEEDED);
    };
    const { socket, until, all } = open();
    socket.write(`${withHeaders("GET /v1/workflows/w1/events HTTP/1.1")}\r\n`);
    await until("id: 1");
    socket.write("junk\r\n\r\n");
    // The junk has been read when the response on the next connection arrives.
    await (await stack().gateway.fetch("/v1/healthz")).text();
    mayEnd.resolve();
    const received = await all();
    assert.match(received, /id: 2[^]*\r\n0\r\n\r\nHTTP\/1\.1 400 /);
    assert.doesNotMatch(received, /stream_error/);
  });

  it("does not end an event stream before a CONNECT, although its client reads late", async () => {
    const events = 100;
    const tenSent = deferred();
    stack().upstream.rpcs.streamWorkflowEvents = async function* () {
      for (let id = 1; id <= events; id += 1) {
        const event = stepEvent(BigInt(id));
        if (event.event.case === "stepUpdate") event.event.value.stepId = "x".repeat(100_000);
        yield event;
        if (id === 10) tenSent.resolve();
      }
      yield await Promise.resolve(workflowEvent(BigInt(events + 1), JobState.SUCCEEDED));
    };
    const { hostname, port } = new URL(stack().gateway.url);
    const socket = connect(Number(port), hostname).on("error", () => undefined);
    socket.write(`${withHeaders("GET /v1/workflows/w1/events HTTP/1.1")}\r\n`);
    await Promise.all([once(socket, "readable"), tenSent.promise]);
    socket.write(`${withHeaders("CONNECT example.org:443 HTTP/1.1")}\r\n`);
    await (await stack().gateway.fetch("/v1/healthz")).text();
    const received = (await buffer(socket)).toString();
    assert.equal(received.match(/^id: \d+$/gm)?.length, events + 1);
    assert.match(received, /\r\n0\r\n\r\nHTTP\/1\.1 400 /);
  });

  it("keeps no event stream open whose client has disconnected", async () => {
    const aborted = deferred();
    stack().upstream.rpcs.streamWorkflowEvents = async function* (_request, { signal }) {
      yield workflowEvent(1n, JobState.RUNNING);
      await whenAborted(signal);
      aborted.resolve();
    };
    const { socket, until } = open();
    socket.write(`${withHeaders("GET /v1/workflows/w1/events HTTP/1.1")}\r\n`);
    await until("id: 1");
    socket.write("junk\r\n\r\n");
    await (await stack().gateway.fetch("/v1/healthz")).text();
    socket.destroy();
    await aborted.promise;
  });

  it("aborts a response that has begun before its request is complete", async () => {
    stack().upstream.rpcs.streamWorkflowEvents = async function* (_request, { signal }) {
      yield workflowEvent(1n, JobState.RUNNING);
      await whenAborted(signal);
    };
    const { hostname, port } = new URL(stack().gateway.url);
    const socket = connect(Number(port), hostname).on("error", () => undefined);
    let received = "";
    socket.setEncoding("latin1").on("data", (part: string) => (received += part));
    const chunkedGet = `${withHeaders("GET /v1/workflows/w1/events HTTP/1.1")}Transfer-Encoding: chunked\r\n\r\n`;
    socket.write(chunkedGet);
    await once(socket, "data");
    socket.write("ZZ\r\n");
    await new Promise((resolve) => socket.once("close", resolve));
    assert.equal(received.match(/HTTP\/1\.1 /g)?.length, 1);
    assert.match(received, /event: workflow_update/);
  });

  it("is not reported when the client has only disconnected", async () => {
    const before = stack().gateway.logs.length;
    const { hostname, port } = new URL(stack().gateway.url);
    const socket = connect(Number(port), hostname);
    socket.end("GET /v1/healthz HT");
    await once(socket.resume(), "close");
    assert.equal(stack().gateway.logs.length, before);
  });
});

describe("a malformed request after a download", () => {
  const bytes = Buffer.alloc(8_000_000, "ATOM      1  N   GLY A   1\n");
  const artifact = {
    uri: "r2://foldforge/a.pdb",
    contentType: "chemical/x-pdb",
    sizeBytes: BigInt(bytes.length),
    sha256: sha256(bytes),
  };
  const store = suite(startTestStore);
  const stack = suite(() =>
    startStack({ getWorkflow: () => workflowIn(JobState.SUCCEEDED, [artifact]) }, storeSettings(store())),
  );

  for (const [what, text] of [
    ["junk", "junk\r\n\r\n"],
    ["CONNECT", `${withHeaders("CONNECT example.org:443 HTTP/1.1")}\r\n`],
  ] as const)
    it(`does not end it, although its client reads late: ${what}`, async () => {
      store().respond = serveBytes(bytes);
      const { hostname, port } = new URL(stack().gateway.url);
      const socket = connect(Number(port), hostname).on("error", () => undefined);
      socket.write(`${withHeaders("GET /v1/workflows/w1/artifacts/a.pdb HTTP/1.1")}\r\n`);
      await once(socket, "readable");
      socket.write(text);
      // By then the gateway has read it, and has sent all that fits into buffers.
      await (await stack().gateway.fetch("/v1/healthz")).text();
      const received = await buffer(socket);
      const start = received.indexOf("\r\n\r\n") + 4;
      assert.ok(received.subarray(start, start + bytes.length).equals(bytes));
      assert.match(received.subarray(start + bytes.length).toString(), /^HTTP\/1\.1 400 /);
    });
});

describe("createMalformedRequests", () => {
  it("responds once per connection", async () => {
    const lines: string[] = [];
    const logger = createLogger({ write: (line) => void lines.push(line) });
    const rejected = createMalformedRequests(new Connections(() => undefined), logger, createMetrics());
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const client = connect((server.address() as AddressInfo).port, "127.0.0.1");
    const [socket] = (await once(server, "connection")) as [Socket];
    const error = Object.assign(new Error(), { code: "HPE_INVALID_METHOD", reason: "Invalid method" });
    rejected.onClientError(error, socket);
    rejected.onClientError(error, socket);
    assert.match(await text(client), /^HTTP\/1\.1 400 [^]*the request is not HTTP\/1\.1: Invalid method/);
    assert.equal(lines.length, 1);
    socket.destroy();
    server.close();
  });

  it("survives a client that resets its CONNECT", async () => {
    const gateway = await startTestGateway();
    const { hostname, port } = new URL(gateway.url);
    for (let i = 0; i < 20; i += 1) {
      const socket = connect(Number(port), hostname);
      await once(socket, "connect");
      socket.write(withHeaders("CONNECT example.org:443 HTTP/1.1") + "\r\n");
      socket.resetAndDestroy();
    }
    assert.equal((await gateway.fetch("/v1/healthz")).status, 200);
    await gateway.close();
  });
});

describe("a request with Upgrade", () => {
  const stack = suite(() => startStack({ getWorkflow: () => workflowIn(JobState.RUNNING) }));

  for (const protocol of ["websocket", "h2c"]) {
    it(`to ${protocol} is served without the upgrade, and closes the connection`, async () => {
      const upgrade = `${get}Connection: Upgrade\r\nUpgrade: ${protocol}\r\n\r\n`;
      const calls = await callsDuring(stack().upstream, async () => {
        const response = await sendText(stack().gateway.url, upgrade + `${get}\r\n`);
        assert.match(response, /^HTTP\/1\.1 200 /);
        assert.match(response, /^connection: close\r$/im);
      });
      assert.equal(calls.length, 1);
    });
  }
});
