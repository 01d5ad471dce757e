import assert from "node:assert/strict";
import { createLogger } from "../../src/telemetry/logger.ts";
import { createThrottledWarning } from "../../src/telemetry/rate-limited-warnings.ts";
import { deferred } from "../support/stack.ts";

describe("createThrottledWarning", () => {
  it("logs one warning for the calls of a second, with their number, again and again", async () => {
    const lines: Record<string, unknown>[] = [];
    let warned = deferred();
    const logger = createLogger({
      write(line) {
        lines.push(JSON.parse(line) as Record<string, unknown>);
        warned.resolve();
      },
    });
    const warn = createThrottledWarning(logger, "semaphore.full", { limit: 5 });
    for (const times of [3, 1]) {
      for (let i = 0; i < times; i++) warn();
      await warned.promise;
      warned = deferred();
    }
    assert.deepEqual(
      lines.map(({ time: _time, ...line }) => line),
      [3, 1].map((count) => ({
        level: "warn",
        event: "semaphore.full",
        limit: 5,
        count,
        msg: "semaphore.full",
      })),
    );
  });
});
