import assert from "node:assert/strict";
import { connect, createServer } from "node:net";
import type { AddressInfo, Socket } from "node:net";
import { once } from "node:events";
import { parse } from "yaml";
import { loadContract } from "../src/contract.ts";
import { ListenError } from "../src/gateway.ts";
import { startTestGateway, suite } from "./support/gateway.ts";
import { sendPath, sendText } from "./support/raw-http.ts";
import { startStack } from "./support/stack.ts";

const loopback = { METRICS_ADDR: "127.0.0.1:0" };

/** Resolves with an open connection. */
async function open(origin: string): Promise<Socket> {
  const { hostname, port } = new URL(origin);
  const socket = connect(Number(port), hostname).on("error", () => undefined);
  await once(socket, "connect");
  return socket;
}

describe("a gateway with METRICS_ADDR", () => {
  const stack = suite(() =>
    startStack({ listWorkflows: () => ({}) }, { ...loopback, CORS_ALLOWED_ORIGINS: "*" }),
  );
  const metricsUrl = () => stack().gateway.metricsUrl!;

  it("serves GET and HEAD /metrics, with the security headers", async () => {
    const response = await fetch(`${metricsUrl()}/metrics`);
    assert.equal(response.status, 200);
    assert.match(await response.text(), /^# TYPE foldforge_gateway_http_requests_total counter$/m);
    const elsewhere = await stack().gateway.fetch("/v1/healthz");
    for (const name of ["Content-Security-Policy", "X-Content-Type-Options", "Referrer-Policy"]) {
      assert.notEqual(response.headers.get(name), null, name);
      assert.equal(response.headers.get(name), elsewhere.headers.get(name), name);
    }
    const head = await fetch(`${metricsUrl()}/metrics`, { method: "HEAD" });
    assert.deepEqual([head.status, await head.text()], [200, ""]);
    assert.equal(head.headers.get("content-type"), response.headers.get("content-type"));
  });

  for (const [method, path, status, code] of [
    ["GET", "/v1/healthz", 404, "NOT_FOUND"],
    ["GET", "/v1/workflows", 404, "NOT_FOUND"],
    ["GET", "/docs", 404, "NOT_FOUND"],
    ["GET", "/metrics/", 404, "NOT_FOUND"],
    ["POST", "/metrics", 405, "INVALID_ARGUMENT"],
    ["OPTIONS", "/metrics", 405, "INVALID_ARGUMENT"],
    ["GET", "/metrics?x=1", 400, "INVALID_ARGUMENT"],
  ] as const)
    it(`returns ${status} for ${method} ${path}, with the error body`, async () => {
      const response = await sendPath(metricsUrl(), path, { method });
      assert.equal(response.status, status);
      const { code: actual, retryable, trace_id } = JSON.parse(response.body);
      assert.deepEqual([actual, retryable, typeof trace_id], [code, false, "string"]);
      assert.equal(response.headers.allow, status === 405 ? "GET, HEAD" : undefined);
    });

  it("rejects malformed requests and too large headers", async () => {
    const host = "Host: x\r\nConnection: close";
    assert.match(await sendText(metricsUrl(), "nonsense\r\n\r\n"), /^HTTP\/1\.1 400 /);
    const large = `GET /metrics HTTP/1.1\r\n${host}\r\nX: ${"x".repeat(20_000)}\r\n\r\n`;
    assert.match(await sendText(metricsUrl(), large), /^HTTP\/1\.1 431 /);
  });

  for (const method of ["GET", "HEAD", "POST", "DELETE", "OPTIONS"])
    it(`returns 404 for ${method} /metrics at BIND_ADDR, and counts it as unmatched`, async () => {
      const series = `foldforge_gateway_http_requests_total{method="${method}",path="(unmatched)",status="404"}`;
      const count = async () => {
        const text = await (await fetch(`${metricsUrl()}/metrics`)).text();
        return Number(
          text
            .split("\n")
            .find((line) => line.startsWith(`${series} `))
            ?.slice(series.length) ?? 0,
        );
      };
      const before = await count();
      const response = await sendPath(stack().gateway.url, "/metrics", { method });
      const unknown = await sendPath(stack().gateway.url, "/nowhere", { method });
      assert.deepEqual([response.status, unknown.status], [404, 404]);
      const anyTrace = (body: string) => body.replace(/[0-9a-f]{32}/, "");
      assert.equal(anyTrace(response.body), anyTrace(unknown.body));
      assert.equal(await count(), before + 2);
    });

  it("omits only /metrics from the served document", async () => {
    const { document } = loadContract();
    const yaml = await (await stack().gateway.fetch("/v1/openapi.yaml")).text();
    const json: unknown = await (await stack().gateway.fetch("/v1/openapi.json")).json();
    assert.deepEqual(parse(yaml), json);
    const others = Object.entries(document.paths).filter(([path]) => path !== "/metrics");
    assert.deepEqual(json, { ...document, paths: Object.fromEntries(others) });
  });
});

describe("startGateway with METRICS_ADDR", () => {
  it("accepts 16 connections for the metrics, in addition to MAX_CONNECTIONS", async () => {
    const gateway = await startTestGateway(loopback);
    const sockets = await Promise.all(Array.from({ length: 16 }, () => open(gateway.metricsUrl!)));
    const dropped = await open(gateway.metricsUrl!);
    await once(dropped.resume(), "close");
    assert.ok(sockets.every(({ readyState }) => readyState === "open"));
    assert.equal((await gateway.fetch("/v1/healthz")).status, 200);
    for (const socket of sockets) socket.destroy();
    await gateway.close();
  });

  it("closes both servers within the grace although clients keep connections", async () => {
    const gateway = await startTestGateway({ ...loopback, SHUTDOWN_GRACE_SECONDS: "0.5" });
    const sockets = await Promise.all([gateway.url, gateway.metricsUrl!].map(open));
    // A request that does not end.
    for (const socket of sockets) socket.write("GET /metrics HTTP/1.1\r\n");
    await Promise.all([gateway.close(), ...sockets.map((socket) => once(socket.resume(), "close"))]);
    for (const url of [gateway.url, gateway.metricsUrl!]) await assert.rejects(fetch(`${url}/metrics`));
  });

  it("serves the metrics during the drain", async () => {
    const { gateway, upstream } = await startStack(
      { listWorkflows: () => ({}) },
      { ...loopback, DRAIN_DELAY_SECONDS: "4", SHUTDOWN_GRACE_SECONDS: "3600" },
    );
    const drained = gateway.drain();
    assert.equal((await gateway.fetch("/v1/readyz")).status, 503);
    const response = await fetch(`${gateway.metricsUrl}/metrics`);
    assert.equal(response.status, 200);
    await response.text();
    await drained;
    await upstream.close();
  });

  for (const setting of ["BIND_ADDR", "METRICS_ADDR"] as const)
    it(`rejects if the port of ${setting} is in use, and releases the other port`, async () => {
      const other = createServer().listen(0, "127.0.0.1");
      const free = createServer().listen(0, "127.0.0.1");
      await Promise.all([once(other, "listening"), once(free, "listening")]);
      const [taken, mine] = [other, free].map((each) => `127.0.0.1:${(each.address() as AddressInfo).port}`);
      free.close();
      await once(free, "close");
      const rest = setting === "BIND_ADDR" ? "METRICS_ADDR" : "BIND_ADDR";
      await assert.rejects(startTestGateway({ [setting]: taken!, [rest]: mine! }), (error) => {
        assert.ok(error instanceof ListenError);
        assert.equal(error.setting, setting);
        return true;
      });
      other.close();
      await assert.rejects(fetch(`http://${mine}/metrics`));
    });
});
