import assert from "node:assert/strict";
import { EventEmitter, once } from "node:events";
import { prefix } from "../../src/settings/settings.ts";
import { warnOfDefaultToken } from "../../src/settings/default-token.ts";
import { createLogger } from "../../src/telemetry/logger.ts";
import { configOf } from "../support/environment.ts";
import type { LogLine, TestSettings } from "../support/gateway.ts";

/** What is told of these settings at once; `logged` emits each line, and `end` ends it. */
function warn(settings: TestSettings, everyMs?: number) {
  const printed: string[] = [];
  const lines: LogLine[] = [];
  const logged = new EventEmitter();
  const logger = createLogger({
    write(line) {
      lines.push(JSON.parse(line));
      logged.emit("line");
    },
  });
  const end = warnOfDefaultToken(configOf(settings), {
    logger,
    print: (text) => printed.push(text),
    ...(everyMs === undefined ? {} : { everyMs }),
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
    it(`warns once in the log and once in a box of ${JSON.stringify(settings)}`, () => {
      const { printed, lines, end } = warn(settings);
      end();
      assert.deepEqual(
        lines.map(({ level, event }) => [level, event]),
        [["error", "config.default_token"]],
      );
      assert.match(
        printed.join(""),
        /^\+-+\+\n(\| .* \|\n)*\| WARNING: .*dev-token\. +\|\n(\| .* \|\n)+\+-+\+\n$/,
      );
      const setting = settings["API_TOKEN_PREVIOUS"] === undefined ? "API_TOKEN" : "API_TOKEN_PREVIOUS";
      assert.ok(printed.join("").includes(`Set ${prefix}${setting} to a secret one.`));
      const widths = printed
        .join("")
        .trimEnd()
        .split("\n")
        .map((line) => line.length);
      assert.equal(new Set(widths).size, 1);
    });

  for (const settings of [
    { API_TOKEN: "own" },
    { API_TOKEN: "own", API_TOKEN_PREVIOUS: "dev-token-2" },
    ...["127.0.0.1", "127.255.0.9", "localhost", "LOCALHOST", "[::1]", "[::ffff:127.0.0.1]"].map((host) => ({
      BIND_ADDR: `${host}:8080`,
    })),
  ] satisfies TestSettings[])
    it(`has nothing to say of ${JSON.stringify(settings)}`, () => {
      const { printed, lines } = warn(settings);
      assert.deepEqual([printed, lines], [[], []]);
    });

  it("goes on to warn in the log until it is ended", async () => {
    const { printed, lines, logged, end } = warn({}, 1);
    while (lines.length < 3) await once(logged, "line");
    end();
    assert.equal(printed.length, 1);
    assert.ok(lines.every(({ event }) => event === "config.default_token"));
  });
});
