import { EventEmitter } from "node:events";
import { after, before } from "mocha";
import { loadContract } from "../../src/contract.ts";
import { startGateway } from "../../src/gateway.ts";
import type { Gateway, GatewayOptions } from "../../src/gateway.ts";
import { createLogger } from "../../src/telemetry/logger.ts";
import { createRequestValidators } from "../../src/validation/request-validator.ts";
import { settingsOf } from "./environment.ts";
import { closeAtEnd } from "./leftovers.ts";
import { responseValidation } from "./response-validation.ts";

/** The administrator's token of every gateway under test. */
export const adminToken = "admin-token-of-the-tests";

/** One line of the gateway's log. */
export type LogLine = Record<string, unknown> & { event?: string; trace_id?: string };

/** A gateway under test. */
export interface TestGateway {
  readonly url: string;
  /** Undefined without METRICS_ADDR. */
  readonly metricsUrl: string | undefined;
  /** Everything it has logged. */
  readonly logs: readonly LogLine[];
  /** Emits `line` for each line that it logs. */
  readonly logged: EventEmitter;
  /** The log as it was written, to look for what must not be there. */
  readonly logText: string;
  /** Sends a request with `token` as its bearer: the administrator's by default, none for null. */
  fetch(path: string, init?: RequestInit & { token?: string | null }): Promise<Response>;
  drain(): Promise<void>;
  close(): Promise<void>;
}

/** Settings by their names without the prefix, and variables of OpenTelemetry. */
export type TestSettings = Record<string, string>;

/** Loads and compiles the contract once for all gateways of this process. */
function compiledContract(): Required<Pick<GatewayOptions, "contract" | "validatorOf" | "operationStages">> {
  if (compiled === undefined) {
    const contract = loadContract();
    const stages = responseValidation(contract);
    compiled = {
      contract,
      validatorOf: createRequestValidators(contract.document),
      // A gateway may serve a part of the contract at each of its addresses.
      operationStages: () => stages,
    };
  }
  return compiled;
}

let compiled: ReturnType<typeof compiledContract> | undefined;

/** Starts a gateway on a free port; its responses are checked against the contract. */
export async function startTestGateway(
  settings: TestSettings = {},
  options: GatewayOptions = {},
): Promise<TestGateway> {
  const all: TestSettings = {
    BIND_ADDR: "127.0.0.1:0",
    API_TOKEN: adminToken,
    DRAIN_DELAY_SECONDS: "0",
    SHUTDOWN_GRACE_SECONDS: "1",
    ...settings,
  };
  const written: string[] = [];
  const logged = new EventEmitter();
  const logger = createLogger({
    write(line) {
      written.push(line);
      logged.emit("line");
    },
  });
  const gateway: Gateway = await startGateway(settingsOf(all), logger, {
    ...(options.contract === undefined ? compiledContract() : { operationStages: responseValidation }),
    ...options,
  });
  const isClosed = closeAtEnd(() => gateway.close());
  return {
    url: gateway.url,
    metricsUrl: gateway.metricsUrl,
    logged,
    get logs() {
      return written.map((line): LogLine => JSON.parse(line));
    },
    get logText() {
      return written.join("");
    },
    fetch(path, { token = adminToken, ...init } = {}) {
      const headers = new Headers(init.headers);
      if (token !== null) headers.set("Authorization", `Bearer ${token}`);
      return fetch(gateway.url + path, { ...init, headers });
    },
    drain: () => gateway.drain(),
    async close() {
      await gateway.close();
      isClosed();
    },
  };
}

/**
 * For the body of a `describe`: starts something before its tests and closes it after them. What is
 * returned gives it to the tests.
 */
export function suite<T extends { close(): Promise<void> }>(start: () => Promise<T>): () => T {
  let started: T | undefined;
  before("start", async () => {
    started = await start();
  });
  after("stop", async () => {
    await started?.close();
  });
  return () => {
    if (started === undefined) throw new Error("it has not started yet");
    return started;
  };
}
