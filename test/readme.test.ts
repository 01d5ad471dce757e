import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Code } from "@connectrpc/connect";
import { prefix, settingNames } from "../src/settings/schema.ts";
import { readText } from "../src/settings/secret-files.ts";
import { parseSettings } from "../src/settings/settings.ts";
import { loadContract } from "../src/contract.ts";
import { codeMeaning } from "../src/errors/codes.ts";
import { defaultKeepalive } from "../src/grpc/index.ts";
import type { KeepaliveOptions } from "../src/grpc/index.ts";
import { looksPerSilence } from "../src/grpc/keepalive.ts";
import {
  demoApiKeys,
  parseSettings as parseSandboxSettings,
  settingPrefix,
} from "../src/sandbox/settings.ts";
import { parseTracing, tracingVariables } from "../src/settings/tracing-settings.ts";
import { startTestGateway, suite } from "./support/gateway.ts";
import { blocks, operatorsPage, readme, section } from "./support/readme.ts";

/** The rows of the table below a heading whose first cell matches `first`, each cell without its backticks. */
function rows(heading: string, first: RegExp, page = readme): string[][] {
  return section(heading, page)
    .split("\n")
    .filter((line) => line.startsWith("|"))
    .map((line) =>
      line
        .split("|")
        .slice(1, -1)
        .map((cell) => cell.trim()),
    )
    .filter(([cell = ""]) => first.test(cell));
}

/** What stands between backticks in a cell. */
function code(cell = ""): string[] {
  return [...cell.matchAll(/`([^`]+)`/g)].map(([, text = ""]) => text);
}

describe("README: the links", () => {
  for (const [folder, text] of [
    [".", readme],
    ["deploy", operatorsPage],
  ] as const) {
    it(`lead to files that are there, from ${folder}`, () => {
      const targets = [...text.matchAll(/\]\((?!https?:)([^)#]+)/g)].map(([, target = ""]) => target);
      assert.ok(targets.length > 0);
      for (const target of targets) assert.ok(existsSync(join(folder, target)), target);
    });
  }
});

describe("README: the figures", () => {
  it("tells how long it takes at most to leave an orchestrator that has frozen", () => {
    const { calls, streams } = defaultKeepalive;
    assert.deepEqual(parseSettings({}, readText).settings.keepalive, defaultKeepalive);
    function longestSeconds({ timeMs, timeoutMs }: KeepaliveOptions["calls"]): number {
      // The last byte came right after a look, which the next one still tells of.
      const afterLook = ((looksPerSilence + 1) * timeMs) / looksPerSilence;
      // The last byte came right after a ping, whose whole wait goes by before silence is counted anew.
      const afterPing = timeoutMs + timeMs;
      return Math.ceil((Math.max(afterLook, afterPing) + timeoutMs) / 1000);
    }
    const figures = /frozen, .* left within (\d+) s, by event streams within (\d+) s/.exec(readme)?.slice(1);
    assert.deepEqual(figures?.map(Number), [longestSeconds(calls), longestSeconds(streams)]);
  });
});

describe("README: the tables", () => {
  it("lists every command of the Makefile", () => {
    const documented = rows("Commands", /^`make/).flatMap(([command]) => code(command));
    const listed = execFileSync("make", ["help"], { encoding: "utf8" }).match(/^make \w+/gm) ?? [];
    assert.deepEqual(documented.toSorted(), [...listed].sort());
  });

  it("lists every route of the contract", () => {
    const documented = rows("Routes", /^`[A-Z]+ \//).flatMap(([route]) => code(route));
    const served = loadContract().paths.flatMap(({ operations }) =>
      operations.map(({ method, template }) => `${method.toUpperCase()} ${template}`),
    );
    assert.deepEqual(documented.toSorted(), served.sort());
  });

  it("gives every setting of the gateway with its default", () => {
    const documented = rows("Configuration", /^`[A-Z0-9_]+`$/);
    const gateway = documented.filter(([name]) => settingNames.includes(code(name)[0] ?? ""));
    assert.deepEqual(gateway.flatMap(([name]) => code(name)).toSorted(), settingNames.toSorted());
    const env = Object.fromEntries(
      gateway.flatMap(([name, value]) => code(value).map((text) => [prefix + (code(name)[0] ?? ""), text])),
    );
    assert.deepEqual(parseSettings(env, readText), parseSettings({}, readText));
    assert.equal(Object.keys(env).length, settingNames.length - 14, "fourteen settings are empty by default");
  });

  it("gives every variable of tracing with its default", () => {
    const documented = rows("Tracing", /^`OTEL_/, operatorsPage).map(([names, value]) => ({
      names: code(names).map((name) => name.replace("…", "OTEL_EXPORTER_OTLP")),
      value: code(value)[0],
    }));
    assert.deepEqual(documented.flatMap(({ names }) => names).toSorted(), tracingVariables.toSorted());
    const endpoint = { OTEL_EXPORTER_OTLP_ENDPOINT: "http://collector" };
    const given = documented.flatMap(({ names, value }) => names.map((name) => [name, value]));
    assert.deepEqual(parseTracing({ ...Object.fromEntries(given), ...endpoint }), parseTracing(endpoint));
  });

  it("gives every setting of the sandbox with its default", () => {
    const documented = rows(
      "Configuration",
      /^`(ORCHESTRATOR_ADDR|OBJECT_STORE_ADDR|API_KEYS|STEP_SECONDS|S3_\w+)`$/,
    );
    assert.equal(documented.length, 9);
    const env = Object.fromEntries(
      documented.map(([name, value]) => [settingPrefix + code(name)[0]!, code(value)[0]]),
    );
    assert.deepEqual(parseSandboxSettings(env), parseSandboxSettings({}));
    assert.equal(env[`${settingPrefix}API_KEYS`], demoApiKeys);
  });

  it("gives every setting of the demo with its default", () => {
    const used = readFileSync("src/demo/main.ts", "utf8").matchAll(/env\.(\w+) \|\| "([^"]+)"/g);
    const settings = [...used].map(([, name = "", value = ""]) => `\`${name}\` (\`${value}\`)`);
    assert.equal(settings.length, 3);
    for (const setting of settings) assert.ok(readme.includes(setting), setting);
  });

  it("gives every code with its status, and whether it is retryable", () => {
    const documented = rows("Errors", /^`[A-Z_]+`/).flatMap(([names, status, retryable = ""]) =>
      code(names).map((name) => [
        name,
        Number(status),
        retryable === "no" ? false : retryable === "yes" ? true : "when-safe",
      ]),
    );
    const codes = Object.values(Code).filter((value): value is Code => typeof value === "number");
    const meanings = new Map(
      codes
        .map(codeMeaning)
        .map((meaning) => [meaning.name, [meaning.name, meaning.status, meaning.retryable]]),
    );
    assert.deepEqual(documented.toSorted(), [...meanings.values()].sort());
  });

  it("maps the house as it is", () => {
    const places = rows("The layout of the code", /^`/).flatMap(([place]) => code(place));
    for (const place of places) assert.ok(existsSync(place), `${place} does not exist`);
    const inSrc = readdirSync("src", { withFileTypes: true }).map(
      (entry) => `src/${entry.name}${entry.isDirectory() ? "/" : ""}`,
    );
    assert.deepEqual(
      inSrc.filter((place) => !places.includes(place)),
      [],
    );
  });
});

describe("README: the error body", () => {
  const gateway = suite(() => startTestGateway());

  it("is what the gateway answers to that fault", async () => {
    const [example = ""] = blocks("json", section("Errors"));
    const body = { name: "x", steps: [{ id: "design", tool: "af2", depends_on: ["desing"] }] };
    const headers = {
      "Content-Type": "application/json",
      traceparent: `00-${JSON.parse(example).trace_id}-00f067aa0ba902b7-01`,
    };
    const answer = await gateway().fetch("/v1/workflows", {
      method: "POST",
      body: JSON.stringify(body),
      headers,
    });
    assert.deepEqual(await answer.json(), JSON.parse(example));
  });
});
