import assert from "node:assert/strict";
import { factDrift } from "./contract-facts.ts";
import { contract, list, rename, renameSchema, submit } from "./openapi-edits.ts";
import type { Edit } from "./openapi-edits.ts";
import { assertFails, eachInScratch } from "./scratch-fixture.ts";

const unsecured = "listWorkflows requires no token by bearerAuth";

const drifts: readonly [change: string, edit: Edit, says: readonly string[]][] = [
  [
    "a path with another name",
    (d) => rename(d.paths, "/v1/workflows/{id}/rank", "/v1/workflows/{id}/ranking"),
    ["rankDesigns is POST /v1/workflows/{id}/ranking instead of POST /v1/workflows/{id}/rank"],
  ],
  [
    "another method",
    (d) => rename(d.paths["/v1/workflows/{id}/retry"], "post", "put"),
    ["retryWorkflow is PUT /v1/workflows/{id}/retry instead of POST /v1/workflows/{id}/retry"],
  ],
  [
    "a removed operation",
    (d) => delete d.paths["/v1/workflows/{id}"].delete,
    ["no operation is cancelWorkflow, DELETE /v1/workflows/{id}"],
  ],
  [
    "another operationId",
    (d) => (list(d).operationId = "getWorkflows"),
    [
      "no operation is listWorkflows, GET /v1/workflows",
      "getWorkflows, GET /v1/workflows, is not listed in test/check/contract-facts.ts",
    ],
  ],
  ["an operation without security", (d) => (list(d).security = []), [unsecured]],
  ["an optional token", (d) => (list(d).security = [{ bearerAuth: [] }, {}]), [unsecured]],
  ["another scheme", (d) => (list(d).security = [{ basicAuth: [] }]), [unsecured]],
  ["a token for a probe", (d) => delete d.paths["/v1/healthz"].get.security, ["healthz requires a token"]],
  [
    "another status of success",
    (d) => rename(submit(d).responses, "201", "200"),
    ["submitWorkflow succeeds with 200 instead of 201"],
  ],
  [
    "a schema with another name",
    (d) => renameSchema(d, "RankResponse", "Ranking"),
    ["no schema is RankResponse"],
  ],
];

describe("factDrift", () => {
  it("reports nothing for the contract of the repository", () => assert.deepEqual(factDrift(contract), []));

  for (const [change, edit, says] of drifts)
    it(`reports ${change}`, () => {
      const document = structuredClone(contract);
      edit(document);
      assert.deepEqual(factDrift(document), says);
    });
});

describe("node test/check/drift.ts", () => {
  const scratch = eachInScratch();

  it("names what differs from the facts, without a main branch to compare with", async () => {
    const file = "openapi/gateway.v1.yaml";
    scratch().edit(file, "\n  /v1/workflows/{id}/rank:\n", "\n  /v1/workflows/{id}/ranking:\n");
    scratch().edit(
      file,
      "      operationId: listWorkflows\n",
      "      operationId: listWorkflows\n      security: []\n",
    );
    assertFails(
      await scratch().run("node", "test/check/drift.ts"),
      `${file}: rankDesigns is POST /v1/workflows/{id}/ranking instead of`,
      `${file}: ${unsecured}`,
    );
  });
});
