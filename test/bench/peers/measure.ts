import { existsSync } from "node:fs";
import { amount } from "../amounts.ts";
import { load } from "../load.ts";
import type { Work } from "../load.ts";
import { orchestratorResponses } from "../orchestrator-responses.ts";
import { pacedLoad } from "../paced-load.ts";
import { adminToken, startGateway, startProcess } from "../processes.ts";
import type { MeasuredProgram, ServingProgram } from "../processes.ts";
import type { Finding } from "../report.ts";
import { compareRequests } from "../request-cost.ts";
import { detailOf, getOne, getOneWithKey, getPage, post, unauthenticated } from "../requests.ts";
import { compare, median } from "../rounds.ts";
import { buildGo, buildRust } from "./build.ts";
import type { Build } from "./build.ts";
import { checkContract } from "./check-contract.ts";
import { startProgram } from "./start-program.ts";

/** A gateway in another language, running. */
interface Peer {
  readonly language: string;
  readonly program: MeasuredProgram;
}

const works: readonly { readonly name: string; readonly work: Work }[] = [
  { name: "GET one workflow, admin token", work: getOne },
  { name: "GET one workflow, API key", work: getOneWithKey },
  { name: "POST a workflow, API key", work: post },
  { name: "GET a page of 20 workflows", work: getPage },
  { name: "rejected with 401", work: unauthenticated },
];

const capacityRequests = amount(10_000, 8);
const warmUpRequests = amount(20_000, 8);
const latencySeconds = amount(3, 0.2);

/**
 * Compares the gateway with gateways in Go and Rust that have the same duties. Says which peer is skipped, and why.
 * They are checked against the contract first, so that no wrong response is compared.
 */
export async function* measurePeers(): AsyncGenerator<Finding> {
  if (!existsSync("/proc/self/stat")) {
    console.log(
      "the peers are skipped: their CPU time and memory are read from /proc, which is missing here",
    );
    return;
  }
  console.log("building the peers; the first time takes minutes");
  const go = await buildGo();
  const builds = { Go: go, Rust: await buildRust() };
  const built = Object.entries(builds).flatMap(([language, build]) => {
    if ("programs" in build) return [{ language, file: build.programs.gateway }];
    console.log(`the peer in ${language} is skipped: ${build.skipped}`);
    return [];
  });
  if (built.length === 0) return;

  const orchestrator = await startOrchestrator(go);
  const gateway = await startGateway({ ORCHESTRATOR_ENDPOINT: orchestrator.url, API_KEYS_ENABLED: "true" });
  const peers: Peer[] = [];
  try {
    for (const { language, file } of built) {
      const start = (upstream: string) => startProgram(file, [upstream], { API_TOKEN: adminToken });
      await checkContract(start);
      peers.push({ language, program: await start(orchestrator.url) });
    }
    yield* measure(gateway, peers);
  } finally {
    await Promise.all(
      [gateway, orchestrator, ...peers.map(({ program }) => program)].map((each) => each.stop()),
    );
  }
}

/** Pauses for garbage of an orchestrator in Node would be in the latencies: the one in Go has none that matter. */
async function startOrchestrator(go: Build<{ readonly orchestrator: string }>): Promise<ServingProgram> {
  if ("skipped" in go) {
    console.log("the orchestrator is the one in TypeScript, whose pauses are part of the latencies");
    return startProcess("orchestrator.ts");
  }
  const responses = [...orchestratorResponses].map(([path, bytes]) => [
    path,
    Buffer.from(bytes).toString("base64"),
  ]);
  return startProgram(go.programs.orchestrator, [], {
    RESPONSES: JSON.stringify(Object.fromEntries(responses)),
  });
}

async function* measure(gateway: MeasuredProgram, peers: readonly Peer[]): AsyncGenerator<Finding> {
  // The peers are compiled in advance. A new gateway is compiled by V8 while it serves, and that takes CPU time too.
  await load(gateway.url, getOne, warmUpRequests);
  for (const { name, work } of works)
    for (const { language, program } of peers) {
      const cost = await compareRequests({ server: gateway, work }, { server: program, work });
      const limit = work === getOne && language === "Go" ? { limit: 0.85 } : {};
      yield {
        work: `${name}, against ${language}`,
        ratio: cost.ratio,
        ...limit,
        detail: detailOf(cost),
      };
    }
  const go = peers.find(({ language }) => language === "Go");
  if (go !== undefined) yield* compareLatency(gateway, go);
  for (const [name, program] of [
    ["the gateway", gateway] as const,
    ...peers.map(({ language, program }) => [`the peer in ${language}`, program] as const),
  ]) {
    const { residentBytes } = await program.usage();
    yield {
      work: `MiB resident, ${name}`,
      value: residentBytes / 1024 ** 2,
      detail: "after all requests",
    };
  }
}

/** The latencies at half of the rate that the gateway can serve: its p99 against its median and against the peer's. */
async function* compareLatency(
  gateway: MeasuredProgram,
  { language, program }: Peer,
): AsyncGenerator<Finding> {
  const rate = Math.round((await load(gateway.url, getOne, capacityRequests)) / 2);
  const medians: number[] = [];
  async function p99Micros({ url }: MeasuredProgram): Promise<number> {
    const latencies = await pacedLoad(url, getOne, rate, latencySeconds);
    const at = (quantile: number) => 1000 * (latencies[Math.floor(latencies.length * quantile)] ?? NaN);
    if (url === gateway.url) medians.push(at(0.5));
    return at(0.99);
  }
  const { micros, baseMicros, ratio } = await compare(
    () => p99Micros(gateway),
    () => p99Micros(program),
  );
  const medianMicros = median(medians);
  const inMs = (value: number) => (value / 1000).toFixed(1);
  yield {
    work: "p99 latency at half of the capacity, against the median",
    ratio: micros / medianMicros,
    limit: 5,
    detail: `${inMs(micros)} ms against ${inMs(medianMicros)} at ${rate} per second`,
  };
  yield {
    work: `p99 latency at half of the capacity, against ${language}`,
    ratio,
    limit: 1,
    detail: `${inMs(micros)} ms against ${inMs(baseMicros)} at ${rate} per second`,
  };
}
