import type { Context, RootHookObject } from "mocha";
import { withoutCoverage } from "./environment.ts";
import { closeFrom, nextIndex, trackResources } from "./leftovers.ts";

trackResources();

// A worker writes its coverage when it exits, which takes longer than the second after which workerpool kills it
// (workerTerminateTimeout). Mocha then waits for its exit. With the process that started it, a worker ends by itself.
const isWorker = process.env["MOCHA_WORKER_ID"] !== undefined;
if (isWorker) process.on("SIGTERM", () => undefined);

let testBegan = 0;

/** A worker sends the stack of an error, not its cause: appends the stacks of the causes. */
function appendCauses(error: Error): void {
  for (let { cause } = error; cause instanceof Error; { cause } = cause)
    error.stack = `${error.stack}\nCaused by: ${cause.stack}`;
}

/**
 * Mocha's root hooks. What a failed test has opened is closed after the test, its connections included, so that the next
 * one is not affected. Everything else that is open after a top-level suite is closed then.
 */
export const mochaHooks: RootHookObject = {
  beforeAll(this: Context) {
    // Not when this is loaded: the process that starts the workers loads it too.
    Object.assign(process.env, withoutCoverage);
    const loaded = nextIndex();
    // After the suite's own hooks.
    for (const suite of this.test!.parent!.suites) {
      suite.afterAll("close what is left", () => closeFrom(loaded));
    }
  },
  beforeEach() {
    testBegan = nextIndex();
  },
  async afterEach(this: Context) {
    const error = this.currentTest?.err;
    if (isWorker && error !== undefined) appendCauses(error);
    // The next test may use what a test that has passed leaves open, such as a server that it has restarted.
    if (this.currentTest?.state !== "passed") await closeFrom(testBegan, { withConnections: true });
  },
};
