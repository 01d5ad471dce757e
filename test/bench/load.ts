import autocannon from "autocannon";
import { amount } from "./amounts.ts";

/** One kind of request. */
export interface Work {
  readonly method?: "GET" | "POST";
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** The expected status. */
  readonly status: number;
}

/** Concurrent connections. */
const connections = amount(32, 4);

/**
 * Sends the same request `requests` times, each connection once it has its previous response. Resolves to the
 * responses per second; rejects when a status is not the expected one.
 */
export async function load(url: string, work: Work, requests: number): Promise<number> {
  const begin = performance.now();
  const { statusCodeStats } = await autocannon({
    url: url + work.path,
    method: work.method ?? "GET",
    headers: { ...work.headers },
    ...(work.body === undefined ? {} : { body: work.body }),
    connections,
    amount: requests,
    // It ends no sooner than its next sample, in milliseconds.
    sampleInt: 100,
  });
  const seconds = (performance.now() - begin) / 1000;
  if (statusCodeStats?.[`${work.status}`]?.count !== requests) {
    const seen = JSON.stringify(statusCodeStats);
    throw new Error(`${requests} × ${work.method ?? "GET"} ${work.path}: ${seen}, not ${work.status}`);
  }
  return requests / seconds;
}
