import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { temporaryFolder } from "../support/temporary-folder.ts";

/** Undefined if it is not installed. */
export function findProgram(program: "prometheus" | "promtool"): string | undefined {
  return spawnSync(program, ["--version"]).status === 0 ? program : undefined;
}

/** A series with its current value. */
export interface Sample {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: number;
}

/** An evaluated rule. */
export interface EvaluatedRule {
  readonly name: string;
  readonly query: string;
  readonly health: string;
}

/** A Prometheus that scrapes a gateway several times a second. */
export interface Prometheus {
  readonly url: string;
  /** The current value of an expression. Rejects if Prometheus rejects the expression. */
  query(expression: string): Promise<Sample[]>;
  rules(): Promise<EvaluatedRule[]>;
  close(): Promise<void>;
}

/** Starts Prometheus as a process on a free port. Resolves when it serves. */
export async function startPrometheus(gatewayUrl: string): Promise<Prometheus> {
  const folder = temporaryFolder();
  const file = join(folder.path, "prometheus.yaml");
  writeFileSync(
    file,
    JSON.stringify({
      global: { scrape_interval: "500ms", scrape_timeout: "500ms", evaluation_interval: "500ms" },
      rule_files: [resolve("deploy/prometheus/alerts.yaml")],
      scrape_configs: [
        { job_name: "foldforge-gateway", static_configs: [{ targets: [new URL(gatewayUrl).host] }] },
      ],
    }),
  );
  const data = `--storage.tsdb.path=${join(folder.path, "data")}`;
  const child = spawn("prometheus", [`--config.file=${file}`, data, "--web.listen-address=127.0.0.1:0"], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  const ended = once(child, "close");
  const started = Promise.withResolvers<string>();
  let said = "";
  let address = "";
  createInterface(child.stderr).on("line", (line) => {
    said += `${line}\n`;
    address = /Listening on".*? address=(\S+)/.exec(line)?.[1] ?? address;
    if (line.includes("Server is ready")) started.resolve(address);
  });
  void ended.then(() => started.reject(new Error(`it ended: ${said}`)));

  async function close(): Promise<void> {
    child.kill();
    await ended;
    folder[Symbol.dispose]();
  }

  const url = `http://${await started.promise}`;
  async function ask(path: string, parameters: Record<string, string> = {}): Promise<unknown> {
    const response = await fetch(`${url}/api/v1/${path}?${new URLSearchParams(parameters).toString()}`);
    const { status, error, data } = (await response.json()) as {
      status: string;
      error?: string;
      data: unknown;
    };
    if (status !== "success") throw new Error(`${JSON.stringify(parameters)}: ${error}`);
    return data;
  }

  return {
    url,
    async query(expression) {
      const { result } = (await ask("query", { query: expression })) as QueryData;
      return result.map(({ metric, value: [, value] }) => ({ metric, value: Number(value) }));
    },
    async rules() {
      const { groups } = (await ask("rules")) as { groups: { rules: EvaluatedRule[] }[] };
      return groups.flatMap(({ rules }) => rules);
    },
    close,
  };
}

interface QueryData {
  readonly result: readonly {
    readonly metric: Record<string, string>;
    readonly value: readonly [time: number, value: string];
  }[];
}
