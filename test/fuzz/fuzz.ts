import fc from "fast-check";
import { createConformance } from "./conformance.ts";
import { casesOf } from "./cases.ts";
import { WireClient } from "./client.ts";
import { readContract } from "./contract.ts";
import { addresseeOf } from "./addressee.ts";
import type { Addressee } from "./addressee.ts";
import { BrokenAnswer } from "./answer-reader.ts";
import type { Answer } from "./answer-reader.ts";
import { LeavingClients } from "./leaving-clients.ts";
import { createJudge } from "./oracle.ts";
import type { Case } from "./oracle.ts";
import type { FuzzStack } from "./stack.ts";
import { shown, shownText } from "./wire.ts";
import type { WireRequest } from "./wire.ts";

/** How many requests there were, by `operation status`; the status of those that a client left is `left`. */
export type Counts = ReadonlyMap<string, number>;

/** Sends generated requests to a gateway, a round at a time. */
export interface Fuzz {
  readonly counts: Counts;
  /** All requests so far. */
  readonly requests: number;
  /** Those that succeeded and were large, or their responses. */
  readonly large: number;
  /** Sends about 500 requests, which `seed` decides. Undefined when all went well, else what failed, and how. */
  round(seed: number): Promise<string | undefined>;
  close(): void;
}

/** Requests at the same time: fewer than the gateway would ever refuse because it has too many. */
const concurrency = 16;

/** Batches of a round, and most requests of a batch, half as many on average. */
const batches = 10;
const maxBatch = 100;

/** A larger body is a large one, in bytes. */
const largeBytes = 64 * 1024;

/** Longest time that is spent on making a failure small, in milliseconds. */
const shrinkMs = 60_000;

/** Prepares it. */
export function createFuzz(stack: Pick<FuzzStack, "url" | "known" | "lastFailure">): Fuzz {
  const contract = readContract();
  const judge = createJudge(contract, createConformance(contract));
  const clients = Array.from({ length: concurrency }, () => new WireClient(stack.url));
  const leavingClients = new LeavingClients(stack.url);
  const counts = new Map<string, number>();
  let requests = 0;
  let large = 0;

  function count(request: WireRequest, status: number | "left") {
    const addressee = addresseeOf(contract, request);
    const key = `${addressee.kind === "operation" ? addressee.operation.id : `(${addressee.kind})`} ${status}`;
    counts.set(key, (counts.get(key) ?? 0) + 1);
    requests += 1;
  }

  /**
   * The answer to a request. An event stream whose headers went out before anything came breaks off where there is
   * nothing more, and is asked for again, as every client of one does.
   */
  async function answerTo(client: WireClient, request: WireRequest): Promise<Answer> {
    try {
      return await client.send(request);
    } catch (error) {
      if (!(error instanceof BrokenAnswer) || !isForEvents(addresseeOf(contract, request))) throw error;
      return client.send(request);
    }
  }

  /** Sends one request; throws when the answer is not right. */
  async function ask(client: WireClient, asked: Case): Promise<void> {
    const tell = (what: string) => new Error(`${what}\n\n${indented(shown(asked.request))}\n`);
    const fail = (error: unknown) => {
      throw tell(error instanceof Error ? error.message : String(error));
    };
    if (asked.leaving !== undefined) {
      await leavingClients.send(asked.request, asked.leaving).catch(fail);
      count(asked.request, "left");
      return;
    }
    const answer = await answerTo(client, asked.request).catch(fail);
    count(asked.request, answer.status);
    const longest = Math.max(asked.request.body?.length ?? 0, answer.body.length);
    if (answer.status < 400 && longest > largeBytes) large += 1;
    const faults = judge(asked, answer);
    if (faults.length === 0) return;
    throw tell(`${faults.join("; ")}\n\n${indented(shownText(answer.body.toString("latin1")))}`);
  }

  /** Sends all, in order, over all connections; the first failure stops it once every answer is there. */
  async function sendAll(cases: readonly Case[]): Promise<void> {
    const queue = cases.values();
    let failure: Error | undefined;

    async function work(client: WireClient): Promise<void> {
      for (const asked of queue) {
        await ask(client, asked).catch((error: unknown) => {
          failure ??= error as Error;
        });
        if (failure !== undefined) return;
      }
    }

    await Promise.all(clients.map(work));
    leavingClients.close();
    if (failure !== undefined) throw failure;
  }

  const cases = fc.array(casesOf(contract, stack.known), { minLength: 1, maxLength: maxBatch, size: "max" });
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
      const told = await fc.check(property, { seed, numRuns: batches, interruptAfterTimeLimit: shrinkMs });
      if (!told.failed) return undefined;
      const failure = stack.lastFailure();
      return [
        told.errorInstance instanceof Error ? told.errorInstance.message : String(told.errorInstance),
        `seed ${seed}, path ${told.counterexamplePath ?? "none"}, shrunk ${told.numShrinks} times; FUZZ_SEED=${seed} make fuzz sends it again`,
        ...(failure === undefined ? [] : [`the gateway's last failure: ${failure}`]),
      ].join("\n");
    },
    close() {
      leavingClients.close();
      for (const client of clients) client.close();
    },
  };
}

function isForEvents(addressee: Addressee): boolean {
  if (addressee.kind !== "operation") return false;
  return addressee.operation.answers.get(200)?.content?.["text/event-stream"] !== undefined;
}

function indented(text: string): string {
  return text.replaceAll(/^/gm, "  ");
}
