import { connect } from "node:net";
import type { Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { watchHealth } from "../support/health-watch.ts";
import { imageFlags } from "../support/image-flags.ts";
import { peakResidentBytes } from "../support/process-memory.ts";
import { worstBody, worstKinds } from "../support/worst-workflows.ts";
import { amount } from "./amounts.ts";
import { createMemoryCgroup } from "./memory-cgroup.ts";
import type { MemoryCgroup } from "./memory-cgroup.ts";
import { startGateway, startProcess, stopShared } from "./processes.ts";
import type { ServingProcess } from "./processes.ts";
import type { Finding } from "./report.ts";
import { listed, share } from "./worst-amounts.ts";

const mebibyte = 1024 * 1024;

/** The memory of the gateway's container, and the most that it may take. */
const containerBytes = 512 * mebibyte;
const maxWaitMs = 100;

const pageSize = amount(20, 4);
const pagesAtOnce = amount(8, 2);
const readsAtOnce = amount(20, 4);
const submissionsAtOnce = amount(8, 2);
const streams = amount(1800, 40);
/** Streams that are being opened at a time: fewer than a key may have in flight. */
const openers = amount(64, 8);
/** How long the streams stay unread, in milliseconds. */
const holdMs = amount(10_000, 200);

const headers = { Authorization: "Bearer an-api-key-of-the-benchmark" };

/** One kind of large work for the gateway at `url`. */
interface Row {
  readonly name: string;
  /** How much. */
  readonly amount: string;
  act(url: string): Promise<void>;
}

const rows: readonly Row[] = [
  {
    name: "page by page",
    amount: `a page of ${pageSize} of each kind`,
    async act(url) {
      for (const kind of worstKinds) await getPage(url, kind, pageSize);
    },
  },
  {
    name: "pages at once",
    amount: `${pagesAtOnce} pages of ${pageSize} at once, of each kind`,
    async act(url) {
      for (const kind of worstKinds) await times(pagesAtOnce, () => getPage(url, kind, pageSize));
    },
  },
  {
    name: "reads at once",
    amount: `${readsAtOnce} of the deep one`,
    act: (url) => times(readsAtOnce, () => expect(200, `${url}/v1/workflows/deep`)),
  },
  {
    name: "artifact lookups",
    amount: `${readsAtOnce} in the deep one, at once`,
    act: (url) => times(readsAtOnce, () => expect(404, `${url}/v1/workflows/deep/artifacts/nobody`)),
  },
  {
    name: "submissions",
    amount: `${submissionsAtOnce} of the deep one, at once`,
    act(url) {
      const body = worstBody("deep", share);
      const post = { method: "POST", headers: { ...headers, "Content-Type": "application/json" }, body };
      return times(submissionsAtOnce, () => expect(201, `${url}/v1/workflows`, post));
    },
  },
  { name: "unread streams", amount: `${streams} of one API key`, act: holdStreams },
  { name: "a whole list", amount: `${listed} workflows of 0.9 MB, page_size=100`, act: readList },
];

/**
 * The peak of the gateway's resident memory, and the longest wait for its health, while it serves the worst valid
 * requests. Each row has a new gateway, except in a quick run, in a memory cgroup of the container's size where the
 * machine allows it. A gateway that dies misses its bound.
 */
export async function measureWorstWorkflows(): Promise<Finding[]> {
  const orchestrator = await startProcess("worst-orchestrator.ts");
  const cgroup = createMemoryCgroup(containerBytes);
  try {
    const findings: Finding[] = [];
    for (const row of rows) findings.push(...(await measure(row, orchestrator, cgroup)));
    return findings;
  } finally {
    await orchestrator.stop();
    // A cgroup without processes can be removed.
    await stopShared();
    cgroup?.remove();
  }
}

async function measure(
  { name, amount, act }: Row,
  orchestrator: ServingProcess,
  cgroup: MemoryCgroup | undefined,
): Promise<Finding[]> {
  const killsBefore = cgroup?.kills() ?? 0;
  const settings = {
    ORCHESTRATOR_ENDPOINT: orchestrator.url,
    API_KEYS_ENABLED: "true",
    // No call times out: waiting messages take memory too.
    ORCHESTRATOR_RPC_TIMEOUT_SECONDS: "120",
  };
  const gateway = await startGateway(settings, {
    execArgv: imageFlags(cgroup === undefined ? containerBytes : undefined),
    runner: cgroup?.run ?? [],
  });
  const health = watchHealth(gateway.url, gateway.pid);
  try {
    const start = performance.now();
    await Promise.race([act(gateway.url), gateway.ended]).catch((error: unknown) => {
      if (!gateway.hasEnded()) throw error;
    });
    const seconds = ((performance.now() - start) / 1000).toFixed(1);
    const { longestMs, ownMs = longestMs } = await health.longest();
    const peak = peakResidentBytes(gateway.pid);
    const where =
      cgroup === undefined ? "in no cgroup, which this machine does not allow" : "in a cgroup of 512 MiB";
    const kills = (cgroup?.kills() ?? 0) - killsBefore;
    const ending = gateway.hasEnded()
      ? `; it died: ${await gateway.ended}${kills > 0 ? ", for its memory" : ""}`
      : "";
    const memory: Finding = {
      work: `worst workflows, ${name}: MiB resident at most`,
      value: gateway.hasEnded() ? Infinity : (peak ?? 0) / mebibyte,
      limit: containerBytes / mebibyte,
      detail: `${amount}; ${where}; ${seconds} s${ending}`,
    };
    const wait: Finding = {
      work: `worst workflows, ${name}: ms to healthz at most`,
      value: gateway.hasEnded() ? Infinity : ownMs,
      limit: maxWaitMs,
      detail: `${longestMs.toFixed(0)} ms with what else ran on the machine${ending}`,
    };
    // The system may not report the peak.
    return peak === undefined && !gateway.hasEnded() ? [wait] : [memory, wait];
  } finally {
    await health.close();
    await gateway.stop();
  }
}

async function times(count: number, act: () => Promise<unknown>): Promise<void> {
  await Promise.all(Array.from({ length: count }, act));
}

/** Sends a request, which must get `status`; the body of its response. */
async function expect(status: number, url: string, init: RequestInit = { headers }): Promise<Buffer> {
  const response = await fetch(url, init);
  const body = Buffer.from(await response.arrayBuffer());
  if (response.status !== status)
    throw new Error(`${url} is ${response.status}: ${body.toString("utf8", 0, 500)}`);
  return body;
}

function getPage(url: string, token: string, size: number): Promise<Buffer> {
  return expect(200, `${url}/v1/workflows?page_size=${size}&page_token=${token}`);
}

/** Reads a list of workflows of 0.9 MB to its end, with the largest pages. */
async function readList(url: string): Promise<void> {
  let read = 0;
  for (let token = "text:0"; token !== "";) {
    const body = await getPage(url, encodeURIComponent(token), 100);
    const page = JSON.parse(body.toString()) as { workflows: unknown[]; next_page_token: string };
    read += page.workflows.length;
    token = page.next_page_token;
  }
  if (read !== listed) throw new Error(`the list has ${read} workflows and not ${listed}`);
}

/** Opens all streams, and reads only how each begins. */
async function holdStreams(url: string): Promise<void> {
  const sockets: Socket[] = [];
  const opener = async () => {
    while (sockets.length < streams) sockets.push(await openStream(url));
  };
  try {
    await Promise.all(Array.from({ length: openers }, opener));
    await delay(holdMs);
    // A client that reads is still served.
    await expect(200, `${url}/v1/workflows/text`);
  } finally {
    for (const socket of sockets) socket.destroy();
  }
}

/**
 * Opens a stream; resolves once it has begun or was closed. Repeats a request that got 429 for its key's share, or 503
 * because too many messages of its key wait for memory.
 */
async function openStream(url: string): Promise<Socket> {
  const { hostname, port } = new URL(url);
  for (;;) {
    const socket = connect(Number(port), hostname).on("error", () => undefined);
    socket.write(
      `GET /v1/workflows/text/events HTTP/1.1\r\nHost: gateway\r\nAuthorization: ${headers.Authorization}\r\n\r\n`,
    );
    const begin = await new Promise<string>((resolve) => {
      socket.once("data", (bytes) => resolve(bytes.toString("latin1", 9, 12)));
      socket.once("close", () => resolve("closed"));
    });
    socket.pause();
    if (begin === "200" || begin === "closed") return socket;
    socket.destroy();
    if (begin !== "429" && begin !== "503") throw new Error(`a stream is ${begin}`);
    await delay(100);
  }
}
