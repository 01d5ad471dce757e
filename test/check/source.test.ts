import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { assertFails, assertPasses, eachInScratch } from "./scratch-fixture.ts";

/** What may not be written where, and a part of the message. */
const wrongImports = [
  ["src/telemetry/metrics.ts", 'import "express";', "Express stays in"],
  ["src/mapping/workflow.ts", 'import "./../handlers/health.ts";', "This folder may import only"],
  ["src/handlers/deep/deep.ts", 'import "../../sandbox/settings.ts";', "This folder may import only"],
  ["src/new-folder/file.ts", 'import "../gateway.ts";', "This folder may import only"],
  ["src/middleware/trace.ts", 'import "./call-options.ts";', "This folder may import only"],
  ["src/mapping/job-state.ts", 'void import("../handlers/health.ts");', "Import at the top"],
  ["src/errors/error-response.ts", 'export type App = import("express").Express;', "Import at the top"],
  ["src/middleware/call-options.ts", 'import "node:process";', "Only the entry points touch the process"],
  ["src/http/body.ts", "globalThis.process.exitCode = 1;", "Only the entry points touch the process"],
  ["src/gateway.ts", 'import "./sandbox/settings.ts";', "share nothing but generated"],
  ["src/events/event-source.ts", 'import "../grpc/call.ts";', "Import src/grpc by its index.ts"],
  ["src/http/server.ts", 'import "@connectrpc/connect-node";', "Only src/grpc makes transports"],
  ["src/sandbox/tools/tool.ts", 'import "../../gateway.ts";', "share nothing but generated"],
  ["src/demo/main.ts", 'import "../contract.ts";', "This folder may import only"],
] as const;

describe("make check-types", () => {
  const scratch = eachInScratch();

  it("fails for a route without a handler, a handler without a route and a gRPC code without a status", async () => {
    scratch().edit("openapi/gateway.v1.yaml", "operationId: healthz\n", "operationId: livez\n");
    assertPasses(await scratch().run("make", "generate"));
    scratch().write("src/fewer-operations.ts", scratch().read("src/operations.ts"));
    scratch().edit("src/fewer-operations.ts", "    healthz: healthz(services.version),\n", "");
    scratch().edit("src/errors/codes.ts", "  [Code.DataLoss]: internal,\n", "");
    const outcome = await scratch().run("make", "check-types");
    assertFails(outcome);
    for (const error of [
      /^src\/fewer-operations\.ts\(.*Property 'livez' is missing in type/m,
      /^src\/operations\.ts\(.*'healthz' does not exist in type 'Operations'/m,
      /^src\/errors\/codes\.ts\(.*\n {2}Property '\[Code\.DataLoss\]' is missing in type/m,
    ]) {
      assert.match(outcome.output, error);
    }
  });
});

describe("eslint", () => {
  const scratch = eachInScratch();

  it("names every file with an import against the direction", async () => {
    for (const [file, statement] of wrongImports) {
      const before = existsSync(join(scratch().folder, file)) ? scratch().read(file) : "";
      scratch().write(file, `${statement}\n${before}`);
    }
    const outcome = await scratch().run("eslint", ...wrongImports.map(([file]) => file));
    assertFails(outcome);
    for (const [file, statement, complaint] of wrongImports) {
      const complaints = complaintsOf(outcome.output, join(scratch().folder, file));
      assert.ok(
        complaints.some((line) => line.startsWith("1:") && line.includes(complaint)),
        `${statement} in ${file} is not refused:\n${complaints.join("\n")}`,
      );
    }
  });
});

/** The lines that eslint prints below the name of a file. */
function complaintsOf(output: string, file: string): string[] {
  const [, below = ""] = output.split(`${file}\n`);
  return below
    .slice(0, below.indexOf("\n\n"))
    .split("\n")
    .map((line) => line.trim());
}
