import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { assertFails, eachInScratch } from "./scratch-fixture.ts";

/** What may not be written where, and a part of the message. */
const wrongImports = [
  ["src/telemetry/metrics.ts", 'import "express";', "Express stays in"],
  ["src/mapping/workflow.ts", 'import "./../handlers/health.ts";', "This folder may import only"],
  ["src/handlers/deep/deep.ts", 'import "../../sandbox/settings.ts";', "share nothing but generated"],
  ["src/new-folder/file.ts", 'import "../gateway.ts";', "This folder may import only"],
  ["src/middleware/trace.ts", 'import "./call-options.ts";', "This folder may import only"],
  ["src/mapping/job-state.ts", 'void import("../handlers/health.ts");', "This folder may import only"],
  ["src/mapping/numbers.ts", "void import(String());", "Name the module in a literal"],
  ["src/errors/error-response.ts", 'export type App = import("express").Express;', "Express stays in"],
  ["src/contract.ts", 'import "../package.json";', "nothing of ours but src and generated"],
  ["src/middleware/call-options.ts", 'import "node:process";', "Only the entry points touch the process"],
  ["src/http/body.ts", "globalThis.process.exitCode = 1;", "Only the entry points touch the process"],
  ["src/gateway.ts", 'import "./sandbox/settings.ts";', "share nothing but generated"],
  ["src/events/event-source.ts", 'import "../grpc/call.ts";', "Import src/grpc by its index.ts"],
  ["src/grpc/call.ts", 'import "./http2/stream.ts";', "is imported by its index.ts"],
  ["src/grpc/http2/pings.ts", 'import "../address.ts";', "imports only its own files"],
  ["src/http/server.ts", 'import "@connectrpc/connect-node";', "Only src/grpc makes transports"],
  ["src/sandbox/tools/tool.ts", 'import "../../gateway.ts";', "This folder may import only"],
  ["src/demo/main.ts", 'import "../contract.ts";', "This folder may import only"],
] as const;

describe("oxlint", () => {
  const scratch = eachInScratch();

  it("is part of make check-lint", async () => {
    const { output } = await scratch().run("make", "--dry-run", "check-lint");
    assert.match(output, /^oxlint$/m);
  });

  it("names every file with an import against the direction", async () => {
    for (const [file, statement] of wrongImports) {
      const before = existsSync(join(scratch().folder, file)) ? scratch().read(file) : "";
      scratch().write(file, `${statement}\n${before}`);
    }
    const files = wrongImports.map(([file]) => file);
    const outcome = await scratch().run("oxlint", "--format=unix", ...files);
    assertFails(outcome);
    const complaints = outcome.output.split("\n");
    for (const [file, statement, complaint] of wrongImports)
      assert.ok(
        complaints.some((line) => line.startsWith(`${file}:1:`) && line.includes(complaint)),
        `${statement} in ${file} is not rejected:\n${outcome.output}`,
      );
  });
});
