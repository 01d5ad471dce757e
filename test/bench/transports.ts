/**
 * Compares our gRPC transport with connect-node and grpc-js: `node test/bench/transports.ts` prints the CPU time of a
 * unary call and the resident memory of an open idle server stream, each the median of some rounds. The server and each
 * client are processes of their own. Only ratios count.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http2";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport as createConnectNodeTransport } from "@connectrpc/connect-node";
import * as grpc from "@grpc/grpc-js";
import {
  GetBalanceRequestSchema,
  GetBalanceResponseSchema,
  OrchestratorService,
  StreamWorkflowEventsRequestSchema,
  WorkflowEventSchema,
} from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import { encodeEnvelope } from "../../src/grpc/envelope.ts";
import {
  Channel,
  createGrpcTransport,
  createServerStreamFunction,
  defaultKeepalive,
  resolvedAddress,
} from "../../src/grpc/index.ts";
import { createLogger } from "../../src/telemetry/logger.ts";
import { listen } from "./listen.ts";

const { getBalance, streamWorkflowEvents } = OrchestratorService.method;
const pathOf = ({ name }: { readonly name: string }) => `/${OrchestratorService.typeName}/${name}`;

const rounds = 5;
const calls = 20_000;
const concurrency = 16;
const streams = 2000;

/** What is measured of a client. */
interface Client {
  call(): Promise<unknown>;
  /** Opens a stream; resolves once its first message has come, and waits for the second one. */
  openStream(): Promise<unknown>;
}

const clients: Readonly<Record<string, (url: string) => Client>> = {
  ours(url) {
    const ignore = () => undefined;
    const logger = createLogger({ write: ignore });
    const channel = new Channel({
      keepalive: defaultKeepalive,
      logger,
      onLost: ignore,
      onKeepaliveRejected: ignore,
    });
    channel.update([resolvedAddress(new URL(url))]);
    const shared = { pathPrefix: "", readMaxBytes: 1e6 };
    const unary = createClient(
      OrchestratorService,
      createGrpcTransport({ ...shared, opener: channel.calls }),
    );
    const stream = createServerStreamFunction({ ...shared, opener: channel.streams }, streamWorkflowEvents);
    return { call: () => unary.getBalance({}), openStream: () => firstOf(stream({})) };
  },
  "connect-node"(url) {
    const client = createClient(OrchestratorService, createConnectNodeTransport({ baseUrl: url }));
    return { call: () => client.getBalance({}), openStream: () => firstOf(client.streamWorkflowEvents({})) };
  },
  "grpc-js"(url) {
    const client = new grpc.Client(new URL(url).host, grpc.credentials.createInsecure());
    const call = () =>
      new Promise((resolve, reject) => {
        client.makeUnaryRequest(
          pathOf(getBalance),
          () => Buffer.from(toBinary(GetBalanceRequestSchema, create(GetBalanceRequestSchema))),
          (bytes) => fromBinary(GetBalanceResponseSchema, bytes),
          {},
          (error, response) => (error === null ? resolve(response) : reject(error)),
        );
      });
    const openStream = () => {
      const stream = client.makeServerStreamRequest(
        pathOf(streamWorkflowEvents),
        () =>
          Buffer.from(toBinary(StreamWorkflowEventsRequestSchema, create(StreamWorkflowEventsRequestSchema))),
        (bytes) => fromBinary(WorkflowEventSchema, bytes),
        {},
      );
      stream.on("error", () => undefined);
      return once(stream, "data");
    };
    return { call, openStream };
  },
};

async function firstOf(messages: AsyncIterable<unknown>): Promise<unknown> {
  const iterator = messages[Symbol.asyncIterator]();
  const first = await iterator.next();
  void iterator.next().catch(() => undefined);
  return first;
}

function serve(): void {
  const balance = encodeEnvelope(
    toBinary(GetBalanceResponseSchema, create(GetBalanceResponseSchema, { balance: 5n })),
  );
  const event = encodeEnvelope(
    toBinary(WorkflowEventSchema, create(WorkflowEventSchema, { workflowId: "w1" })),
  );
  const headers = { ":status": 200, "content-type": "application/grpc+proto" };
  const server = createServer();
  server.on("stream", (stream, { ":path": path }) => {
    stream.on("error", () => undefined).resume();
    stream.respond(headers, { waitForTrailers: true });
    if (path === pathOf(streamWorkflowEvents)) return void stream.write(event);
    stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
    stream.end(balance);
  });
  listen(server);
}

/** Prints the microseconds of CPU per call, or the bytes of resident memory per stream. */
async function measure(name: string, what: string, url: string): Promise<void> {
  const client = clients[name]?.(url);
  if (client === undefined) throw new Error(`no client ${name}`);
  console.log(what === "call" ? await cpuPerCall(client) : await memoryPerStream(client));
  process.exit();
}

async function cpuPerCall({ call }: Client): Promise<number> {
  async function callAll(count: number) {
    let remaining = count;
    const work = async () => {
      while (remaining-- > 0) await call();
    };
    await Promise.all(Array.from({ length: concurrency }, work));
  }
  await callAll(calls);
  const before = process.cpuUsage();
  await callAll(calls);
  const { user, system } = process.cpuUsage(before);
  return (user + system) / calls;
}

async function memoryPerStream({ openStream }: Client): Promise<number> {
  const openAll = async (count: number) => {
    for (let opened = 0; opened < count; opened += 50)
      await Promise.all(Array.from({ length: 50 }, () => openStream()));
  };
  const residentBytes = async () => {
    await delay(500);
    globalThis.gc?.();
    await delay(500);
    globalThis.gc?.();
    return process.memoryUsage.rss();
  };
  await openAll(streams);
  const before = await residentBytes();
  await openAll(streams);
  return ((await residentBytes()) - before) / streams;
}

function start(...args: readonly string[]) {
  return spawn(process.execPath, ["--expose-gc", import.meta.filename, ...args], {
    stdio: ["ignore", "pipe", "inherit"],
  });
}

async function firstLineOf(child: ReturnType<typeof start>): Promise<string> {
  const [line] = (await once(createInterface(child.stdout), "line")) as [string];
  return line;
}

async function compare(): Promise<void> {
  const server = start("serve");
  const { url } = JSON.parse(await firstLineOf(server)) as { url: string };
  const figures = new Map<string, number[]>();
  for (let round = 0; round < rounds; round++)
    for (const what of ["call", "stream"])
      for (const name of Object.keys(clients)) {
        const key = `${name} ${what}`;
        const figure = Number(await firstLineOf(start("measure", name, what, url)));
        figures.set(key, [...(figures.get(key) ?? []), figure]);
      }
  server.kill();
  const median = (key: string) =>
    (figures.get(key) ?? []).toSorted((a, b) => a - b)[Math.floor(rounds / 2)] ?? NaN;
  console.log("| transport | CPU per unary call | memory per idle server stream |\n|---|---|---|");
  for (const name of Object.keys(clients)) {
    const kib = median(`${name} stream`) / 1024;
    console.log(`| ${name} | ${median(`${name} call`).toFixed(0)} µs | ${kib.toFixed(1)} KiB |`);
  }
}

const [role, name = "", what = "", url = ""] = process.argv.slice(2);
if (role === "serve") serve();
else if (role === "measure") await measure(name, what, url);
else await compare();
