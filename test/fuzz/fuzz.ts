import fc from "fast-check";
import { createSchemaCheck } from "./conformance.ts";
import { casesOf } from "./cases.ts";
import { WireClient } from "./client.ts";
import { readContract } from "./contract.ts";
import { routeOf } from "./route.ts";
import type { Route } from "./route.ts";
import { IncompleteResponse } from "./response-reader.ts";
import type { WireResponse } from "./response-reader.ts";
import { DisconnectingClients } from "./disconnecting-clients.ts";
import { createResponseCheck } from "./oracle.ts";
import type { Case } from "./oracle.ts";
import type { FuzzStack } from "./stack.ts";
import { shown, shownText } from "./wire-request.ts";
import type { WireRequest } from "./wire-request.ts";

/** Number of requests by `operation status`. The status of a request whose client disconnected is `disconnected`. */
export type Counts = ReadonlyMap<string, number>;

/** Sends generated requests to a gateway, in rounds. */
export interface Fuzz {
  readonly counts: Counts;
  /** All requests so far. */
  readonly requests: number;
  /** Successful requests that were large, or had large responses. */
  readonly large: number;
  /** Sends up to 100 requests, determined by `seed`. Returns a description of the failure, if any. */
  round(seed: number): Promise<string | undefined>;
  /** Closes all connections. A round opens new ones. */
  closeConnections(): void;
}

/** Concurrent requests: few enough for the gateway never to shed any. */
const concurrency = 16;

/** The maximum number of requests in a round; the average is half of it. */
const maxRequests = 100;

/** A body above this size counts as large, in bytes: the documentation's files are smaller. */
const largeBytes = 512 * 1024;

/** Longest time for shrinking a failure, in milliseconds. */
const shrinkMs = 60_000;

export function createFuzz(stack: Pick<FuzzStack, "url" | "known" | "lastFailure">): Fuzz {
  const contract = readContract();
  const checkResponse = createResponseCheck(contract, createSchemaCheck(contract));
  const clients = Array.from({ length: concurrency }, () => new WireClient(stack.url));
  const disconnectingClients = new DisconnectingClients(stack.url);
  const counts = new Map<string, number>();
  let requests = 0;
  let large = 0;

  function count(request: WireRequest, status: number | "disconnected") {
    const route = routeOf(contract, request);
    const key = `${route.kind === "operation" ? route.operation.id : `(${route.kind})`} ${status}`;
    counts.set(key, (counts.get(key) ?? 0) + 1);
    requests += 1;
  }

  /**
   * Sends a request. An event stream whose headers were sent before the first event breaks if there are no events. It is
   * requested again, as every SSE client does.
   */
  async function responseTo(client: WireClient, request: WireRequest): Promise<WireResponse> {
    try {
      return await client.send(request);
    } catch (error) {
      if (!(error instanceof IncompleteResponse) || !isForEvents(routeOf(contract, request))) throw error;
      return client.send(request);
    }
  }

  /** Sends one request. Throws if the response is wrong. */
  async function sendOne(client: WireClient, testCase: Case): Promise<void> {
    const failure = (what: string) => new Error(`${what}\n\n${indented(shown(testCase.request))}\n`);
    const fail = (error: unknown) => {
      throw failure(error instanceof Error ? error.message : String(error));
    };
    if (testCase.disconnect !== undefined) {
      await disconnectingClients.send(testCase.request, testCase.disconnect).catch(fail);
      count(testCase.request, "disconnected");
      return;
    }
    const response = await responseTo(client, testCase.request).catch(fail);
    count(testCase.request, response.status);
    const longest = Math.max(testCase.request.body?.length ?? 0, response.body.length);
    if (response.status < 400 && longest > largeBytes) large += 1;
    const violations = checkResponse(testCase, response);
    if (violations.length === 0) return;
    throw failure(`${violations.join("; ")}\n\n${indented(shownText(response.body.toString("latin1")))}`);
  }

  /** Sends all in order over all connections. Stops after the first failure, when all pending responses have arrived. */
  async function sendAll(cases: readonly Case[]): Promise<void> {
    const queue = cases.values();
    let failure: Error | undefined;

    async function work(client: WireClient): Promise<void> {
      for (const testCase of queue) {
        await sendOne(client, testCase).catch((error: unknown) => {
          failure ??= error as Error;
        });
        if (failure !== undefined) return;
      }
    }

    await Promise.all(clients.map(work));
    disconnectingClients.close();
    if (failure !== undefined) throw failure;
  }

  const cases = fc.array(casesOf(contract, stack.known), {
    minLength: 1,
    maxLength: maxRequests,
    size: "max",
  });
  const property = fc.asyncProperty(cases, sendAll);

  return {
    counts,
    get requests() {
      return requests;
    },
    get large() {
      return large;
    },
    async round(seed) {
      const result = await fc.check(property, {
        seed,
        numRuns: 1,
        plugins: [fc.interruptAfterTimeLimit(shrinkMs)],
      });
      if (!result.failed) return undefined;
      const failure = stack.lastFailure();
      return [
        result.errorInstance instanceof Error ? result.errorInstance.message : String(result.errorInstance),
        `seed ${seed}, path ${result.counterexamplePath ?? "none"}, shrunk ${result.numShrinks} times; FUZZ_SEED=${seed} make fuzz sends it again`,
        ...(failure === undefined ? [] : [`the gateway's last failure: ${failure}`]),
      ].join("\n");
    },
    closeConnections() {
      disconnectingClients.close();
      for (const client of clients) client.close();
    },
  };
}

function isForEvents(route: Route): boolean {
  if (route.kind !== "operation") return false;
  return route.operation.responses.get(200)?.content?.["text/event-stream"] !== undefined;
}

function indented(text: string): string {
  return text.replaceAll(/^/gm, "  ");
}
