/** Whether a run only shows that everything works: BENCH_QUICK=1 measures too little for its figures to mean anything. */
export const isQuick = process.env["BENCH_QUICK"] === "1";

/** How much of something is measured: `full`, or `quick` in a quick run. */
export function amount(full: number, quick: number): number {
  return isQuick ? quick : full;
}
