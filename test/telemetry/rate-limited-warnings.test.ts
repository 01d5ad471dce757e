import assert from "node:assert/strict";
import { createLogger } from "../../src/telemetry/logger.ts";
import { createThrottledWarning } from "../../src/telemetry/throttled-warning.ts";
import { deferred } from "../support/stack.ts";

describe("createThrottledWarning", () => {
  it("warns once of what comes within a second, with its number, and begins anew", async () => {
    const lines: Record<string, unknown>[] = [];
    let told = deferred();
    const logger = createLogger({
      write(line) {
        lines.push(JSON.parse(line) as Record<string, unknown>);
        told.resolve();
      },
    });
    const warn = createThrottledWarning(logger, "place.full", { places: 5 });
    for (const times of [3, 1]) {
      for (let i = 0; i < times; i++) warn();
      await told.promise;
      told = deferred();
    }
    assert.deepEqual(
      lines.map(({ time: _time, ...line }) => line),
      [3, 1].map((count) => ({ level: "warn", event: "place.full", places: 5, count, msg: "place.full" })),
    );
  });
});
