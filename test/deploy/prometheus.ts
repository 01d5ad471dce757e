import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
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

/** An evaluated alert rule. */
export interface EvaluatedRule {
  readonly group: string;
  readonly name: string;
  readonly query: string;
  readonly health: string;
  readonly state: "inactive" | "pending" | "firing";
}

/** A Prometheus that scrapes several times a second. */
export interface Prometheus {
  readonly url: string;
  /** The current value of an expression. Rejects if Prometheus rejects the expression. */
  query(expression: string): Promise<Sample[]>;
  rules(): Promise<EvaluatedRule[]>;
  close(): Promise<void>;
}

interface PrometheusOptions {
  /** The URLs to scrape, by job. */
  readonly jobs: Readonly<Record<string, readonly string[]>>;
  /** The text of a file of rules. */
  readonly rules: string;
  /** Of scrapes and evaluations. */
  readonly interval?: string;
}

/** Starts Prometheus as a process on a free port. Resolves when it serves. */
export async function startPrometheus({
  jobs,
  rules,
  interval = "500ms",
}: PrometheusOptions): Promise<Prometheus> {
  const folder = temporaryFolder();
  const file = join(folder.path, "prometheus.yaml");
  const ruleFile = join(folder.path, "rules.yaml");
  writeFileSync(ruleFile, rules);
  writeFileSync(
    file,
    JSON.stringify({
      global: { scrape_interval: interval, scrape_timeout: interval, evaluation_interval: interval },
      rule_files: [ruleFile],
      scrape_configs: Object.entries(jobs).map(([job, urls]) => ({
        job_name: job,
        static_configs: [{ targets: urls.map((url) => new URL(url).host) }],
      })),
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
      const { groups } = (await ask("rules")) as {
        groups: { name: string; rules: Omit<EvaluatedRule, "group">[] }[];
      };
      return groups.flatMap(({ name, rules }) => rules.map((rule) => ({ ...rule, group: name })));
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
