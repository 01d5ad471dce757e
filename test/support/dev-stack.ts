import { join, resolve } from "node:path";
import { startChild } from "../../src/sandbox/dev-child.ts";

/** A stack like that of `make dev`. */
export interface DevStack extends AsyncDisposable {
  /** Where the gateway is. */
  readonly url: string;
}

/**
 * Starts a stack on free ports, whose steps take `stepSeconds`. Its API key `ff-demo-key` has no quota, and more credits
 * than any test spends.
 */
export async function startDevStack(stepSeconds: number): Promise<DevStack> {
  const stack = startChild({
    execPath: process.execPath,
    file: join(resolve(import.meta.dirname, "../.."), "src/sandbox/dev.ts"),
    env: {
      ...process.env,
      FOLDFORGE_GATEWAY__BIND_ADDR: "127.0.0.1:0",
      FOLDFORGE_SANDBOX__ORCHESTRATOR_ADDR: "127.0.0.1:0",
      FOLDFORGE_SANDBOX__OBJECT_STORE_ADDR: "127.0.0.1:0",
      FOLDFORGE_SANDBOX__METRICS_ADDR: "127.0.0.1:0",
      FOLDFORGE_SANDBOX__STRIPE_ADDR: "127.0.0.1:0",
      FOLDFORGE_SANDBOX__STEP_SECONDS: String(stepSeconds),
      FOLDFORGE_SANDBOX__OPENING_CREDITS: "100000000000",
    },
    stopTimeoutMs: 10_000,
  });
  const [, url] = (await stack.readUntil(/is ready at (\S+)\. /)) ?? [];
  if (url === undefined) {
    await stack.stop();
    throw new Error("the stack has not started");
  }
  stack.stdout.resume();
  return { url, [Symbol.asyncDispose]: () => stack.stop() };
}
