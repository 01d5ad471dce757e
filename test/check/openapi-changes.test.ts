import { itAllows, itReports, list, parameter, properties, renameSchema, schemas } from "./openapi-edits.ts";

describe("openApiChanges", () => {
  itReports({
    "another address": [
      (d) => (d.servers[0].url = "/api"),
      [
        'document: servers was ["http://127.0.0.1:8080"] and is ["/api"]; generated clients call another address',
      ],
    ],
    "a schema with another name": [
      (d) => renameSchema(d, "RankResponse", "Ranking"),
      ["schema RankResponse: is gone; generated clients have another type"],
    ],
    "a schema with another name, and what changed in it": [
      (d) => {
        renameSchema(d, "RankResponse", "Ranking");
        delete properties(d, "Ranking").total_ranked;
        schemas(d).Ranking.required = ["designs", "total_considered"];
      },
      [
        "schema RankResponse: is gone; generated clients have another type",
        "RankResponse.total_ranked: is gone; clients no longer receive it (rankDesigns)",
      ],
    ],
    "a schema that refers to itself": [
      (d) => (properties(d, "RankFilter").max.maximum = 1),
      ["RankFilter.max: maximum 1 is new; requests that were valid may get 400 (rankDesigns)"],
      (d) => (properties(d, "RankFilter").and = { $ref: "#/components/schemas/RankFilter" }),
    ],
    "a schema that only events have": [
      (d) => delete properties(d, "WorkflowEvent").step_update,
      ["WorkflowEvent.step_update: is gone; clients no longer receive it"],
    ],
  });

  itAllows({
    "a new path": [
      (d) =>
        (d.paths["/v1/tools"] = {
          get: { operationId: "listTools", responses: { "200": { description: "" } } },
        }),
    ],
    "a new schema": [(d) => (schemas(d).Unused = { type: "object" })],
    texts: [
      (d) => {
        Object.assign(list(d), { summary: "s", description: "d", deprecated: true });
        Object.assign(schemas(d).WorkflowSpec, { title: "t", description: "d", examples: [] });
        Object.assign(parameter(d, "page_size"), { description: "d", example: 7 });
        schemas(d).StepId["x-constraints"]["x-pattern-message"] = "m";
        d.info.version = "9.9.9";
        d.tags = [];
      },
    ],
  });
});
