import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { Code } from "@connectrpc/connect";
import { codeMeaning } from "../../src/errors/codes.ts";
import { adminToken, startTestGateway, suite } from "../support/gateway.ts";
import { blocks, code, readPage, rows, section } from "../support/pages.ts";

const page = readPage("docs/errors.md");

describe("docs/errors.md", () => {
  const gateway = suite(() => startTestGateway());

  it("gives every code with its status, and whether it is retryable", () => {
    const documented = rows(section(page, "Codes"), /^`[A-Z_]+`/).flatMap(([names, status, retryable = ""]) =>
      code(names).map((name) => [
        name,
        Number(status),
        retryable === "no" ? false : retryable === "yes" ? true : "when-idempotent",
      ]),
    );
    const codes = Object.values(Code).filter((value): value is Code => typeof value === "number");
    const meanings = codes.map(codeMeaning).map(({ name, status, retryable }) => [name, status, retryable]);
    const unique = new Map<unknown, unknown[]>(meanings.map((meaning) => [meaning[0], meaning]));
    // The one code that is not gRPC's.
    unique.set("INSUFFICIENT_CREDITS", ["INSUFFICIENT_CREDITS", 402, false]);
    assert.deepEqual(documented.toSorted(), [...unique.values()].sort());
  });

  it("has a command that prints each violation on a line of its own", async () => {
    const [command = ""] = blocks(page, "sh");
    const script = command.replace("http://127.0.0.1:8080", gateway().url).replace("ff-demo-key", adminToken);
    const { stdout } = await promisify(execFile)("sh", ["-euc", script]);
    const lines = stdout.split("\n").filter((line) => line.startsWith('"path"'));
    assert.deepEqual(lines.map((line) => /"\/body\/steps\/0\/(\w+)"/.exec(line)?.[1]).sort(), [
      "dependsOn",
      "tool",
    ]);
  });

  it("shows the body that the gateway returns for such a request", async () => {
    const [example = ""] = blocks(page, "json");
    const body = {
      name: "x",
      steps: [
        { id: "design", tool: "rfdiffusion" },
        { id: "fold", tool: "af3", depends_on: ["desing"] },
      ],
    };
    const headers = {
      "Content-Type": "application/json",
      traceparent: `00-${JSON.parse(example).trace_id}-00f067aa0ba902b7-01`,
    };
    const response = await gateway().fetch("/v1/workflows", {
      method: "POST",
      body: JSON.stringify(body),
      headers,
    });
    assert.deepEqual(await response.json(), JSON.parse(example));
  });
});
