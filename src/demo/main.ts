import { Failure } from "./failure.ts";
import { oneLine } from "./one-line.ts";
import { runDemo } from "./run-demo.ts";

const { env, stdout } = process;

const settings = {
  url: env.FOLDFORGE_URL || "http://127.0.0.1:8080",
  apiKey: env.FOLDFORGE_API_KEY || "ff-demo-key",
  downloads: env.FOLDFORGE_DOWNLOADS || "downloads",
};

// The reader of the output has gone, as with `| head`.
stdout.on("error", () => process.exit(1));

const screen = {
  write: (text: string) => void stdout.write(text),
  live: stdout.isTTY && env.TERM !== "dumb",
  columns: () => stdout.columns,
};

await runDemo(settings, screen).catch((error: unknown) => {
  for (const line of linesOf(error)) console.error(line);
  process.exitCode = 1;
});

/** What to print of an error: one line, and one for each violation; all of an unexpected one. */
function linesOf(error: unknown): readonly unknown[] {
  if (error instanceof Failure) {
    const { message, retryAfterMs, details } = error;
    const wait = retryAfterMs === undefined ? "" : `; try again in ${retryAfterMs / 1000} s`;
    return [
      `demo: ${oneLine(message)}${wait}`,
      ...details.map(({ path, message: what }) => oneLine(`  ${path} ${what}`)),
    ];
  }
  return error instanceof Error && "syscall" in error ? [`demo: ${oneLine(error.message)}`] : [error];
}
