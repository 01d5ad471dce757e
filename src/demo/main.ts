import { Failure } from "./failure.ts";
import { oneLine } from "./one-line.ts";
import { runDemo } from "./run-demo.ts";

const { env, stdout } = process;

const settings = {
  url: env.FOLDFORGE_URL || "http://127.0.0.1:8080",
  apiKey: env.FOLDFORGE_API_KEY || "ff-demo-key",
  downloads: env.FOLDFORGE_DOWNLOADS || "downloads",
};

const screen = {
  write: (text: string) => void stdout.write(text),
  live: stdout.isTTY && env.TERM !== "dumb",
  columns: () => stdout.columns,
};

await runDemo(settings, screen).catch((error: unknown) => {
  const isExpected = error instanceof Failure || (error instanceof Error && "syscall" in error);
  console.error("demo:", isExpected ? oneLine(error.message) : error);
  process.exitCode = 1;
});
