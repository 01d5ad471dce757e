import assert from "node:assert/strict";
import { EventEmitter, once } from "node:events";
import { prefix } from "../../src/settings/schema.ts";
import { warnOfDefaultToken } from "../../src/settings/default-token.ts";
import { createLogger } from "../../src/telemetry/logger.ts";
import { settingsOf } from "../support/environment.ts";
import type { LogLine, TestSettings } from "../support/gateway.ts";

/** Warns for these settings. `logged` emits `line` for each log line; `end` stops the warnings. */
function warn(settings: TestSettings, intervalMs?: number) {
  const printed: string[] = [];
  const lines: LogLine[] = [];
  const logged = new EventEmitter();
  const logger = createLogger({
    write(line) {
      lines.push(JSON.parse(line));
      logged.emit("line");
    },
  });
  const end = warnOfDefaultToken(settingsOf(settings), {
    logger,
    print: (text) => printed.push(text),
    ...(intervalMs === undefined ? {} : { intervalMs }),
  });
  return { printed, lines, logged, end };
}

describe("warnOfDefaultToken", () => {
  for (const settings of [
    {},
    { API_TOKEN: "dev-token" },
    { API_TOKEN: "own", API_TOKEN_PREVIOUS: "dev-token" },
    { BIND_ADDR: "[::]:8080" },
    { BIND_ADDR: "192.0.2.1:8080" },
    { BIND_ADDR: "128.0.0.1:8080" },
    { BIND_ADDR: "[::2]:8080" },
    { BIND_ADDR: "localhost.example:8080" },
  ] satisfies TestSettings[])
    it(`logs an error and prints a box for ${JSON.stringify(settings)}`, () => {
      const { printed, lines, end } = warn(settings);
      end();
      assert.deepEqual(
        lines.map(({ level, event }) => [level, event]),
        [["error", "default_token.accepted"]],
      );
      assert.match(
        printed.join(""),
        /^\+-+\+\n(\| .* \|\n)*\| WARNING: .*dev-token, .* \|\n(\| .* \|\n)+\+-+\+\n$/,
      );
      const setting = settings["API_TOKEN_PREVIOUS"] === undefined ? "API_TOKEN" : "API_TOKEN_PREVIOUS";
      assert.ok(printed.join("").includes(`Set ${prefix}${setting} to a secret token.`));
    });

  for (const settings of [
    { API_TOKEN: "own" },
    { API_TOKEN: "own", API_TOKEN_PREVIOUS: "dev-token-2" },
    ...["127.0.0.1", "127.255.0.9", "localhost", "LOCALHOST", "[::1]", "[::ffff:127.0.0.1]"].map((host) => ({
      BIND_ADDR: `${host}:8080`,
    })),
  ] satisfies TestSettings[])
    it(`does not warn for ${JSON.stringify(settings)}`, () => {
      const { printed, lines } = warn(settings);
      assert.deepEqual([printed, lines], [[], []]);
    });

  it("logs the error again at each interval until it is stopped", async () => {
    const { printed, lines, logged, end } = warn({}, 1);
    while (lines.length < 3) await once(logged, "line");
    end();
    assert.equal(printed.length, 1);
    assert.ok(lines.every(({ event }) => event === "default_token.accepted"));
  });
});
