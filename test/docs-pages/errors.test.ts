import assert from "node:assert/strict";
import { Code } from "@connectrpc/connect";
import { codeMeaning } from "../../src/errors/codes.ts";
import { startTestGateway, suite } from "../support/gateway.ts";
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
    const unique = new Map(meanings.map((meaning) => [meaning[0], meaning]));
    assert.deepEqual(documented.toSorted(), [...unique.values()].sort());
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
