import { cpus, release, totalmem } from "node:os";

/**
 * One line of the table. `limit` bounds `ratio`, or `value` where the bound has another unit. A finding without a bound
 * is for information.
 */
export interface Finding {
  readonly work: string;
  readonly ratio?: number;
  readonly value?: number;
  readonly limit?: number;
  /** Why the bound cannot be kept, where it is known that it cannot: not to keep it is no failure then. */
  readonly known?: string;
  /** What was measured, in words: shown, not written to the file. */
  readonly detail: string;
}

/** The machine and what runs on it. */
export function machineText(): string {
  const [cpu] = cpus();
  const gibibytes = Math.round(totalmem() / 1024 ** 3);
  const { node, v8, openssl } = process.versions;
  return [
    `${cpus().length} × ${cpu?.model ?? "unknown"}, ${gibibytes} GiB, ${process.platform} ${release()}`,
    `Node ${node}, V8 ${v8}, OpenSSL ${openssl}`,
  ].join("\n");
}

/** One finding in a line of text, marked `!` where its bound is not kept, and `~` where that is known. */
export function findingText(finding: Finding): string {
  const mark = isWithin(finding) ? " " : isFailure(finding) ? "!" : "~";
  const column = (number: number) => number.toFixed(2).padStart(7);
  const bound = finding.limit === undefined ? " ".repeat(9) : `≤ ${column(finding.limit)}`;
  return `${mark} ${finding.work.padEnd(58)} ${column(figureOf(finding))} ${bound}  ${finding.detail}${finding.known === undefined ? "" : `; ${finding.known}`}`;
}

/** Whether a finding keeps its bound, if it has one. */
export function isWithin(finding: Finding): boolean {
  return finding.limit === undefined || figureOf(finding) <= finding.limit;
}

/** Whether a finding does not keep a bound that can be kept. */
export function isFailure(finding: Finding): boolean {
  return !isWithin(finding) && finding.known === undefined;
}

/** The findings as `BENCH_OUT` gets them. */
export function findingsJson(findings: readonly Finding[]): string {
  const rows = findings.map(({ detail: _detail, known: _known, ...finding }) => finding);
  return `${JSON.stringify(rows, null, 2)}\n`;
}

function figureOf({ ratio, value }: Finding): number {
  return ratio ?? value ?? NaN;
}
