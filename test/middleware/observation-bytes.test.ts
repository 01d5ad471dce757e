import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { setImmediate as nextTurn } from "node:timers/promises";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import { adminToken, suite } from "../support/gateway.ts";
import type { LogLine } from "../support/gateway.ts";
import { serveBytes, startTestStore, storeSettings } from "../support/object-store.ts";
import { sendText } from "../support/raw-http.ts";
import { oneStep, sha256, stepEvent, workflowEvent, workflowIn } from "../support/samples.ts";
import { startStack } from "../support/stack.ts";

const file = Buffer.alloc(300_000, "ATOM ");
const artifact = { uri: "r2://foldforge/a.pdb", sizeBytes: BigInt(file.length), sha256: sha256(file) };
const workflow = "/v1/workflows/w1";
const download = `${workflow}/artifacts/a.pdb`;
const json = JSON.stringify(oneStep);

/** A request of the administrator, whose user agent is `name`. */
function requestOf(
  name: string,
  method: string,
  path: string,
  lines: readonly string[] = [],
  body = "",
): string {
  const head = [
    `${method} ${path} HTTP/1.1`,
    "Host: x",
    `Authorization: Bearer ${adminToken}`,
    `User-Agent: ${name}`,
    ...(method === "POST" ? ["Content-Type: application/json"] : []),
    ...lines,
  ];
  return `${head.join("\r\n")}\r\n\r\n${body}`;
}

/** A body in chunks of `size` bytes. */
function chunked(body: string, size: number): string {
  const parts = body.match(new RegExp(`[^]{1,${size}}`, "g")) ?? [];
  return `${parts.map((part) => `${part.length.toString(16)}\r\n${part}\r\n`).join("")}0\r\n\r\n`;
}

/** The bytes of the body of a response, without their framing. */
function bodyBytesOf(response: string): number {
  const end = response.indexOf("\r\n\r\n");
  const body = response.slice(end + 4);
  if (!/^transfer-encoding: chunked\r?$/im.test(response.slice(0, end))) return body.length;
  let bytes = 0;
  for (let at = 0; ;) {
    const size = Number.parseInt(body.slice(at), 16);
    if (size === 0) return bytes;
    bytes += size;
    at = body.indexOf("\r\n", at) + 2 + size + 2;
  }
}

describe("observation: bytes", () => {
  const store = suite(startTestStore);
  const stack = suite(() =>
    startStack(
      {
        getWorkflow: () => workflowIn(JobState.SUCCEEDED, [artifact]),
        submitWorkflow: () => workflowIn(JobState.QUEUED),
        listWorkflows: () => ({
          workflows: Array.from({ length: 40 }, () => workflowIn(JobState.RUNNING)),
        }),
        async *streamWorkflowEvents() {
          yield await Promise.resolve(stepEvent(1n));
          yield stepEvent(2n);
          yield workflowEvent(3n, JobState.SUCCEEDED);
        },
      },
      storeSettings(store()),
    ),
  );
  beforeEach("serve the file", () => {
    store().respond = serveBytes(file);
  });

  /** The line of the request with this user agent, once it is written. */
  async function lineOf(name: string): Promise<LogLine> {
    const { gateway } = stack();
    for (;;) {
      const line = gateway.logs.find((it) => it.event === "request.completed" && it["user_agent"] === name);
      if (line !== undefined) return line;
      await once(gateway.logged, "line");
    }
  }

  for (const [name, method, path, lines] of [
    ["of JSON", "GET", workflow, []],
    ["of a list, compressed", "GET", "/v1/workflows", ["Accept-Encoding: gzip"]],
    ["of an event stream", "GET", `${workflow}/events`, []],
    ["of an event stream over HTTP/1.0", "GET", `${workflow}/events`, []],
    ["of a download", "GET", download, []],
    ["of a range", "GET", download, ["Range: bytes=10-99999"]],
    ["of an error", "GET", "/nowhere", []],
    ["of the page", "GET", "/docs", []],
    ["of metrics", "GET", "/metrics", []],
  ] as const)
    it(`logs the bytes ${name}`, async () => {
      const sent = requestOf(name, method, path, ["Connection: close", ...lines]);
      const isOld = name.endsWith("1.0");
      const response = await sendText(
        stack().gateway.url,
        isOld ? sent.replace("HTTP/1.1", "HTTP/1.0") : sent,
      );
      const { bytes_in, bytes_out, complete } = await lineOf(name);
      assert.deepEqual([bytes_in, bytes_out, complete], [0, bodyBytesOf(response), true]);
      assert.ok(Number(bytes_out) > 0);
    });

  for (const [name, method, path, lines, status] of [
    ["HEAD", "HEAD", workflow, [], 200],
    ["HEAD of a file", "HEAD", download, [], 200],
    ["HEAD of an error", "HEAD", "/nowhere", [], 404],
    ["304", "GET", download, [`If-None-Match: "${artifact.sha256}"`], 304],
  ] as const)
    it(`logs no bytes of ${name}`, async () => {
      await sendText(stack().gateway.url, requestOf(name, method, path, ["Connection: close", ...lines]));
      const line = await lineOf(name);
      assert.deepEqual([line["bytes_out"], line["status"]], [0, status]);
    });

  for (const [name, lines, body, bytes] of [
    ["a length", [`Content-Length: ${json.length}`], json, json.length],
    ["one chunk", ["Transfer-Encoding: chunked"], chunked(json, 1e6), json.length],
    ["chunks of a byte", ["Transfer-Encoding: chunked"], chunked(json, 1), json.length],
    [
      "small and large chunks",
      ["Transfer-Encoding: chunked"],
      chunked(json.replace("one", "x".repeat(90)), 50).replace(
        /0\r\n\r\n$/,
        `${(5000).toString(16)}\r\n${" ".repeat(5000)}\r\n0\r\n\r\n`,
      ),
      json.length + 87 + 5000,
    ],
  ] as const)
    it(`logs the bytes of a body with ${name}`, async () => {
      const sent = requestOf(name, "POST", "/v1/workflows", ["Connection: close", ...lines], body);
      assert.match(await sendText(stack().gateway.url, sent), /^HTTP\/1\.1 201 /);
      assert.equal((await lineOf(name))["bytes_in"], bytes);
    });

  it("logs the bytes of each request of a connection, pipelined or not", async () => {
    const body = (size: number) => json.replace("one", "x".repeat(size));
    const post = (name: string, size: number, last = "") =>
      requestOf(name, "POST", "/v1/workflows", [`Content-Length: ${body(size).length}${last}`], body(size));
    const socket = connect(Number(new URL(stack().gateway.url).port), "127.0.0.1");
    socket.write(post("first", 10) + post("second", 20) + requestOf("third", "GET", workflow));
    socket.resume();
    const lines = [await lineOf("first"), await lineOf("second"), await lineOf("third")];
    socket.end(post("fourth", 30, "\r\nConnection: close"));
    lines.push(await lineOf("fourth"));
    assert.deepEqual(
      lines.map(({ bytes_in }) => bytes_in),
      [body(10).length, body(20).length, 0, body(30).length],
    );
    const [first, second, third] = lines.map(({ bytes_out }) => Number(bytes_out));
    assert.equal(first, second);
    assert.ok(first! > 0 && third! > first!);
  });

  it("logs what was written of a download that its client does not read to the end", async () => {
    const large = Buffer.alloc(30_000_000);
    store().respond = serveBytes(large);
    stack().upstream.rpcs.getWorkflow = () =>
      workflowIn(JobState.SUCCEEDED, [
        { uri: "r2://foldforge/large", sizeBytes: BigInt(large.length), sha256: sha256(large) },
      ]);
    const socket = connect(Number(new URL(stack().gateway.url).port), "127.0.0.1");
    socket.write(requestOf("leaves", "GET", `${workflow}/artifacts/large`));
    await once(socket, "data");
    socket.pause();
    await nextTurn();
    socket.destroy();
    const { bytes_out, complete, status } = await lineOf("leaves");
    assert.deepEqual([complete, status], [false, 200]);
    assert.ok(Number(bytes_out) > 0 && Number(bytes_out) < large.length, String(bytes_out));
  });

  it("logs at most what was received of a body that is rejected unread", async () => {
    const name = "rejected";
    const sent = requestOf(name, "POST", "/v1/workflows", ["Content-Length: 50000000"], "x".repeat(1000));
    await sendText(stack().gateway.url, sent);
    const line = await lineOf(name);
    assert.equal(line["status"], 413);
    assert.ok(Number(line["bytes_in"]) <= 1000, String(line["bytes_in"]));
  });
});
