import assert from "node:assert/strict";
import { createServer } from "node:http";
import { once } from "node:events";
import { createServer as createTcpServer } from "node:net";
import type { AddressInfo } from "node:net";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { create, toBinary } from "@bufbuild/protobuf";
import { AnySchema, DurationSchema } from "@bufbuild/protobuf/wkt";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { createAuthority } from "../support/certificates.ts";
import { runGateway } from "../support/gateway-process.ts";
import { startTestGateway, suite } from "../support/gateway.ts";
import type { TestGateway, TestSettings } from "../support/gateway.ts";
import { respondWith, startGrpcCollector } from "../support/grpc-collector.ts";
import type { GrpcCollector } from "../support/grpc-collector.ts";
import { scaled } from "../support/machine.ts";
import { deferred } from "../support/stack.ts";
import { startTcpProxy } from "../support/tcp-proxy.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { startTlsFront } from "../support/tls-front.ts";
import { exportWarning, newTrace } from "../support/traced-stack.ts";

const token = "secret-of-the-collector";

/** A gateway that exports its spans at once to `url`, for one test. */
async function startTraced(url: string, settings: TestSettings = {}) {
  const gateway = await startTestGateway({
    OTEL_EXPORTER_OTLP_ENDPOINT: url,
    OTEL_EXPORTER_OTLP_PROTOCOL: "grpc",
    OTEL_BSP_SCHEDULE_DELAY: "10",
    ...settings,
  });
  return { gateway, [Symbol.asyncDispose]: () => gateway.close() };
}

/** Makes a request; returns the id of its trace. */
async function makeSpan(gateway: TestGateway): Promise<string> {
  const { traceId, headers } = newTrace();
  assert.equal((await gateway.fetch("/v1/healthz", { headers })).status, 200);
  return traceId;
}

/** A google.rpc.Status of RESOURCE_EXHAUSTED with a RetryInfo, in base64. */
function statusWithRetryInfo(milliseconds: number): string {
  const duration = toBinary(DurationSchema, create(DurationSchema, { nanos: milliseconds * 1e6 }));
  const retryInfo = new BinaryWriter().tag(1, WireType.LengthDelimited).bytes(duration).finish();
  const any = create(AnySchema, { typeUrl: "type.googleapis.com/google.rpc.RetryInfo", value: retryInfo });
  const status = new BinaryWriter()
    .tag(1, WireType.Varint)
    .int32(8)
    .tag(3, WireType.LengthDelimited)
    .bytes(toBinary(AnySchema, any));
  return Buffer.from(status.finish()).toString("base64");
}

describe("createGrpcExporter", () => {
  const collector = suite(startGrpcCollector);
  const warned = ({ logs }: TestGateway) => logs.some(({ event }) => event === "span_export.failed");

  /** Lets the collector respond in these ways, one after another, and then with OK. */
  function respondInTurn(...ways: GrpcCollector["respond"][]): void {
    collector().respond = (stream) => (ways.shift() ?? respondWith)(stream);
  }

  for (const compression of ["none", "gzip"] as const)
    it(`sends spans with the headers of the options, and compression ${compression}`, async () => {
      await using own = await startTraced(collector().url, {
        OTEL_EXPORTER_OTLP_HEADERS: `Authorization=Bearer%20${token}`,
        OTEL_EXPORTER_OTLP_COMPRESSION: compression,
        OTEL_EXPORTER_OTLP_TIMEOUT: "7000",
      });
      const [span] = await collector().trace(await makeSpan(own.gateway), 1);
      assert.equal(span?.name, "GET /v1/healthz");
      assert.equal(span.attributes["http.response.status_code"], 200);
      assert.equal(span.resource["service.name"], "foldforge-gateway");
      const { headers, isCompressed } = collector().calls.at(-1)!;
      assert.equal(headers.authorization, `Bearer ${token}`);
      assert.equal(headers["content-type"], "application/grpc+proto");
      assert.match(String(headers["user-agent"]), /^foldforge-gateway\/\d+\.\d+\.\d+$/);
      assert.equal(headers["grpc-encoding"], compression === "gzip" ? "gzip" : undefined);
      assert.equal(isCompressed, compression === "gzip");
      const timeout = Number.parseInt(String(headers["grpc-timeout"]));
      assert.ok(timeout > 0 && timeout <= 7000, String(headers["grpc-timeout"]));
      assert.ok(!own.gateway.logText.includes(token));
      assert.ok(!warned(own.gateway));
    });

  it("uses only the host and the port of the endpoint", async () => {
    await using own = await startTraced(`${collector().url}/v1/traces`);
    await collector().trace(await makeSpan(own.gateway), 1);
  });

  it("sends all batches over one connection", async () => {
    const proxy = await startTcpProxy(collector().url);
    await using own = await startTraced(proxy.url);
    for (let i = 0; i < 3; i++) await collector().trace(await makeSpan(own.gateway), 1);
    assert.equal(proxy.accepted, 1);
    await own.gateway.close();
    await proxy.close();
  });

  it("verifies the certificate of an https collector, by Node's authorities", async () => {
    const authority = await createAuthority("authority of the collector");
    const front = await startTlsFront(collector().url, await authority.issue("localhost"));
    using folder = temporaryFolder();
    const ca = join(folder.path, "ca.pem");
    writeFileSync(ca, authority.cert);
    const env = {
      OTEL_EXPORTER_OTLP_ENDPOINT: front.url,
      OTEL_EXPORTER_OTLP_PROTOCOL: "grpc",
      OTEL_BSP_SCHEDULE_DELAY: "10",
    };
    await using own = await startTraced(front.url, { OTEL_EXPORTER_OTLP_TIMEOUT: String(scaled(1000)) });
    const refused = await makeSpan(own.gateway);

    const trusting = runGateway({ BIND_ADDR: "127.0.0.1:0" }, { more: { ...env, NODE_EXTRA_CA_CERTS: ca } });
    const { traceId, headers } = newTrace();
    await (await fetch(`${await trusting.started}/v1/healthz`, { headers })).text();
    await collector().trace(traceId, 1);
    trusting.child.kill("SIGINT");
    assert.equal((await trusting.ended).stderr, "");

    assert.equal((await exportWarning(own.gateway))["reason"], "UNABLE_TO_VERIFY_LEAF_SIGNATURE");
    assert.ok(!collector().spans.some((span) => span.traceId === refused));
    await own.gateway.close();
    await front.close();
  });

  it("retries after UNAVAILABLE and after a lost connection, with a backoff and without a warning", async () => {
    const times: number[] = [];
    respondInTurn(
      (stream) => {
        times.push(performance.now());
        respondWith(stream, { status: 14 });
      },
      (stream) => {
        times.push(performance.now());
        stream.session?.destroy();
      },
      (stream) => {
        times.push(performance.now());
        respondWith(stream);
      },
    );
    await using own = await startTraced(collector().url);
    await collector().trace(await makeSpan(own.gateway), 3);
    const [first = 0, second = 0, third = 0] = times;
    assert.ok(second - first > 350 && third - second > 750, times.join());
    await own.gateway.close();
    assert.ok(!warned(own.gateway));
  });

  it("sends to a collector that comes back on the same port", async () => {
    const first = await startGrpcCollector();
    const port = Number(new URL(first.url).port);
    await using own = await startTraced(first.url);
    await first.trace(await makeSpan(own.gateway), 1);
    await first.close();
    const starting = createTcpServer((socket) => socket.destroy()).listen(port, "127.0.0.1");
    await once(starting, "listening");
    const traceId = await makeSpan(own.gateway);
    await once(starting, "connection");
    await new Promise((resolve) => starting.close(resolve));
    const second = await startGrpcCollector(port);
    await second.trace(traceId, 1);
    await own.gateway.close();
    await second.close();
  });

  it("waits as long as an overloaded collector requests", async () => {
    respondInTurn((stream) => respondWith(stream, { status: 8, details: statusWithRetryInfo(10) }));
    await using own = await startTraced(collector().url);
    await collector().trace(await makeSpan(own.gateway), 2);
    await own.gateway.close();
    assert.ok(!warned(own.gateway));
  });

  it("does not retry a rejection, and warns of it with its code and without its text", async () => {
    const { length } = collector().calls;
    respondInTurn((stream) => respondWith(stream, { status: 16, message: token }));
    await using own = await startTraced(collector().url);
    await makeSpan(own.gateway);
    const { level, reason, count } = await exportWarning(own.gateway);
    assert.deepEqual({ level, reason, count }, { level: "warn", reason: "UNAUTHENTICATED", count: 1 });
    assert.equal(collector().calls.length, length + 1);
    assert.ok(!own.gateway.logText.includes(token));
  });

  it("warns of a collector that refuses connections; the gateway serves and stops as usual", async () => {
    await using own = await startTraced("http://127.0.0.1:1", {
      OTEL_EXPORTER_OTLP_HEADERS: `authorization=${token}`,
      OTEL_EXPORTER_OTLP_TIMEOUT: String(scaled(500)),
    });
    await makeSpan(own.gateway);
    assert.equal((await exportWarning(own.gateway))["reason"], "ECONNREFUSED");
    await makeSpan(own.gateway);
    const start = performance.now();
    await own.gateway.close();
    assert.ok(performance.now() - start < scaled(2000));
    assert.ok(!own.gateway.logText.includes(token));
  });

  it("warns of a collector that does not respond, and stops within the grace", async () => {
    const { gateway } = await startTraced(collector().url, {
      OTEL_EXPORTER_OTLP_TIMEOUT: "200",
      SHUTDOWN_GRACE_SECONDS: "0.2",
    });
    respondInTurn(
      () => undefined,
      () => undefined,
    );
    await makeSpan(gateway);
    assert.equal((await exportWarning(gateway))["reason"], "DEADLINE_EXCEEDED");
    await makeSpan(gateway);
    const start = performance.now();
    await gateway.close();
    assert.ok(performance.now() - start < scaled(2000));
  });

  it("ends its connections when it stops before the collector has responded", async () => {
    const aborted = deferred();
    respondInTurn((stream) => stream.session?.once("close", aborted.resolve));
    const { gateway } = await startTraced(collector().url, { SHUTDOWN_GRACE_SECONDS: "0.2" });
    await collector().trace(await makeSpan(gateway), 1);
    await gateway.close();
    await aborted.promise;
    assert.equal(gateway.logs.at(-1)?.["reason"], "stopped");
  });

  it("exports the spans that wait when it is closed", async () => {
    const { gateway } = await startTraced(collector().url, { OTEL_BSP_SCHEDULE_DELAY: "60000" });
    const traceId = await makeSpan(gateway);
    await gateway.close();
    assert.ok(collector().spans.some((span) => span.traceId === traceId));
  });

  it("warns of a server that does not speak gRPC", async () => {
    const server = createServer((_req, res) => res.end("no")).listen(0, "127.0.0.1");
    await once(server, "listening");
    await using own = await startTraced(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, {
      OTEL_EXPORTER_OTLP_TIMEOUT: "200",
    });
    await makeSpan(own.gateway);
    assert.match(String((await exportWarning(own.gateway))["reason"]), /^[A-Z_]+$/);
    await own.gateway.close();
    server.close();
  });
});
