import { operations } from "./contract-facts.ts";
import { itAllows, itReports, list, parameter, rename, schemas, submit, without } from "./openapi-edits.ts";

describe("compareOperations", () => {
  describe("operation", () =>
    itReports({
      "a path with another name": [
        (d) => rename(d.paths, "/v1/workflows/{id}/rank", "/v1/workflows/{id}/ranking"),
        [
          "POST /v1/workflows/{id}/rank: is now POST /v1/workflows/{id}/ranking; clients get 404 or 405 (rankDesigns)",
        ],
      ],
      "a path with another name, and what changed below it": [
        (d) => {
          rename(d.paths, "/v1/billing/balance", "/v1/balance");
          d.paths["/v1/balance"].get.security = [];
        },
        [
          "GET /v1/billing/balance: is now GET /v1/balance; clients get 404 or 405 (getBalance)",
          "GET /v1/billing/balance: requires no token; anybody can call it (getBalance)",
        ],
      ],
      "a removed path": [
        (d) => delete d.paths["/v1/billing/ledger"],
        ["GET /v1/billing/ledger: is gone; clients get 404 or 405 (listLedger)"],
      ],
      "a removed method": [
        (d) => delete d.paths["/v1/workflows/{id}"].delete,
        ["DELETE /v1/workflows/{id}: is gone; clients get 404 or 405 (cancelWorkflow)"],
      ],
      "another method": [
        (d) => rename(d.paths["/v1/workflows/{id}/retry"], "post", "put"),
        [
          "POST /v1/workflows/{id}/retry: is now PUT /v1/workflows/{id}/retry; clients get 404 or 405 (retryWorkflow)",
        ],
      ],
      "another operationId": [
        (d) => (list(d).operationId = "getWorkflows"),
        [
          "GET /v1/workflows: operationId was listWorkflows and is getWorkflows; generated clients have another method (listWorkflows)",
        ],
      ],
      "another tag": [
        (d) => (list(d).tags = ["Runs"]),
        [
          'GET /v1/workflows: tags was ["Workflows"] and is ["Runs"]; some generators name classes after tags (listWorkflows)',
        ],
      ],
      "an operation that is no longer safe": [
        (d) => delete d.paths["/v1/workflows/{id}/rank"].post["x-safe"],
        [
          "POST /v1/workflows/{id}/rank: x-safe true is gone; clients may depend on the old one (rankDesigns)",
        ],
      ],
    }));

  describe("security", () =>
    itReports({
      "none for an operation": [
        (d) => (list(d).security = []),
        ["GET /v1/workflows: requires no token; anybody can call it (listWorkflows)"],
      ],
      "an alternative without a token": [
        (d) => (list(d).security = [{ bearerAuth: [] }, {}]),
        ["GET /v1/workflows: requires no token; anybody can call it (listWorkflows)"],
      ],
      "none for the document": [
        (d) => delete d.security,
        [
          'document: security [{"bearerAuth":[]}] is gone; new operations require no token',
          ...Object.entries(operations)
            .filter(([, { secured }]) => secured)
            .map(([id, { route }]) => `${route}: requires no token; anybody can call it (${id})`),
        ],
      ],
      "a token for an operation that required none": [
        (d) => delete d.paths["/v1/healthz"].get.security,
        [
          'GET /v1/healthz: security was [] and is [[{"type":"http","scheme":"bearer","scopes":[]}]]; requests with what was required get 401 (healthz)',
        ],
      ],
      "a scheme with another name": [
        (d) => {
          rename(d.components.securitySchemes, "bearerAuth", "bearer");
          d.security = [{ bearer: [] }];
        },
        ["security scheme bearerAuth: is gone; generated clients have another name for it"],
      ],
      "a scheme of another kind": [
        (d) => (d.components.securitySchemes.bearerAuth.bearerFormat = "JWT"),
        ["security scheme bearerAuth: bearerFormat JWT is new; clients may depend on the old one"],
      ],
    }));

  describe("parameters", () =>
    itReports({
      "a removed query parameter": [
        (d) => (list(d).parameters = without(list(d).parameters, parameter(d, "state"))),
        ["GET /v1/workflows, query state: is gone; requests with it get 400 (listWorkflows)"],
      ],
      "a removed header": [
        (d) => (submit(d).parameters = []),
        ["POST /v1/workflows, header idempotency-key: is gone; it has no effect any more (submitWorkflow)"],
      ],
      "another name": [
        (d) => (parameter(d, "page_size").name = "limit"),
        ["GET /v1/workflows, query page_size: is gone; requests with it get 400 (listWorkflows)"],
      ],
      "a required header": [
        (d) => (d.components.parameters.IdempotencyKey.required = true),
        ["parameter IdempotencyKey: is required now; requests without it get 400 (submitWorkflow)"],
      ],
      "a required query parameter": [
        (d) => (parameter(d, "state").required = true),
        ["GET /v1/workflows, query state: is required now; requests without it get 400 (listWorkflows)"],
      ],
      "a new required one": [
        (d) =>
          list(d).parameters.push({ name: "order", in: "query", required: true, schema: { type: "string" } }),
        ["GET /v1/workflows, query order: is new and required; requests without it get 400 (listWorkflows)"],
      ],
      "a new required one of a path": [
        (d) =>
          d.paths["/v1/workflows/{id}/retry"].parameters.push({
            name: "X-Reason",
            in: "header",
            required: true,
            schema: { type: "string" },
          }),
        [
          "POST /v1/workflows/{id}/retry, header x-reason: is new and required; requests without it get 400 (retryWorkflow)",
        ],
      ],
      "another default": [
        (d) => (parameter(d, "page_size").schema.default = 50),
        [
          "GET /v1/workflows, query page_size: default was 20 and is 50; requests that leave it out mean something else (listWorkflows)",
        ],
      ],
      "no default": [
        (d) => delete parameter(d, "page_size").schema.default,
        [
          "GET /v1/workflows, query page_size: default 20 is gone; requests that leave it out mean something else (listWorkflows)",
        ],
      ],
      "a lower maximum": [
        (d) => (parameter(d, "page_size").schema.maximum = 50),
        [
          `GET /v1/workflows, query page_size: maximum was 100 and is 50; requests that were valid may get 400 (listWorkflows)`,
        ],
      ],
      "a pattern of a path parameter": [
        (d) => (schemas(d).WorkflowId.pattern = "^[a-z]+$"),
        [
          `WorkflowId: pattern was ^[A-Za-z0-9_~:-][A-Za-z0-9._~:-]*$ and is ^[a-z]+$; requests that were valid may get 400 (getWorkflow, cancelWorkflow, retryWorkflow, rankDesigns, streamWorkflowEvents, listArtifacts, downloadArtifact)`,
        ],
      ],
      "fewer items": [
        (d) => (parameter(d, "label").schema.maxItems = 1),
        [
          `GET /v1/workflows, query label: maxItems was 64 and is 1; requests that were valid may get 400 (listWorkflows)`,
        ],
      ],
      "a stricter constraint that only the gateway knows": [
        (d) => (parameter(d, "label").schema.items["x-constraints"].pattern = "^a=b$"),
        [
          String.raw`GET /v1/workflows, query label[]: pattern was ^[^=\u0000-\u001F\u007F]{1,128}=[^\u0000-\u001F\u007F]{0,256}$ and is ^a=b$; requests that were valid may get 400 (listWorkflows)`,
        ],
      ],
      "another way of writing": [
        (d) => (parameter(d, "label").explode = false),
        [
          "GET /v1/workflows, query label: explode was true and is false; clients may depend on the old one (listWorkflows)",
        ],
      ],
      "no empty value": [
        (d) => delete parameter(d, "page_token").allowEmptyValue,
        [
          `GET /v1/workflows, query page_token: allowEmptyValue is gone; requests that were valid may get 400 (listWorkflows)`,
        ],
      ],
      "a stricter constraint of a media type": [
        (d) => (parameter(d, "state").content["application/json"].schema.maxLength = 4),
        [
          "GET /v1/workflows, query state: maxLength 4 is new; requests that were valid may get 400 (listWorkflows)",
        ],
        (d) => (parameter(d, "state").content = { "application/json": { schema: { type: "string" } } }),
      ],
      "no reserved characters": [
        (d) => delete parameter(d, "page_token").allowReserved,
        [
          `GET /v1/workflows, query page_token: allowReserved is gone; requests that were valid may get 400 (listWorkflows)`,
        ],
      ],
      "a key without slashes": [
        (d) => delete d.components.parameters.ArtifactKey["x-multi-segment"],
        [
          "parameter ArtifactKey: x-multi-segment true is gone; clients may depend on the old one (downloadArtifact)",
        ],
      ],
      "a type with another name": [
        (d) => (parameter(d, "state").schema = { type: "string", enum: [...schemas(d).JobState.enum] }),
        [
          "GET /v1/workflows, query state: is no longer JobState; generated clients have another type (listWorkflows)",
        ],
      ],
    }));

  describe("body", () =>
    itReports({
      none: [
        (d) => delete d.paths["/v1/workflows/{id}/rank"].post.requestBody,
        ["POST /v1/workflows/{id}/rank, body: is gone; it has no effect any more (rankDesigns)"],
      ],
      "a required one": [
        (d) => (submit(d).requestBody.required = true),
        ["POST /v1/workflows, body: is required now; requests without it get 400 (submitWorkflow)"],
        (d) => (submit(d).requestBody.required = false),
      ],
      "a new required one": [
        (d) =>
          (d.paths["/v1/workflows/{id}/retry"].post.requestBody = {
            required: true,
            content: { "application/json": { schema: { type: "object" } } },
          }),
        ["POST /v1/workflows/{id}/retry, body: is required now; requests without it get 400 (retryWorkflow)"],
      ],
      "a removed media type": [
        (d) => rename(submit(d).requestBody.content, "application/json", "application/yaml"),
        ["POST /v1/workflows, body: application/json is gone; requests with it get 415 (submitWorkflow)"],
      ],
    }));

  describe("responses", () =>
    itReports({
      "a removed status": [
        (d) => delete submit(d).responses["409"],
        ["POST /v1/workflows, 409: is gone; clients do not know what they get instead (submitWorkflow)"],
      ],
      "another status": [
        (d) => rename(submit(d).responses, "201", "202"),
        ["POST /v1/workflows, 201: is gone; clients do not know what they get instead (submitWorkflow)"],
      ],
      "a removed media type": [
        (d) => delete d.paths["/docs/{file}"].get.responses["200"].content["text/css"],
        ["GET /docs/{file}, 200: text/css is gone; clients that need it do not get it (getDocsFile)"],
      ],
      "a removed media type of all responses of a kind": [
        (d) =>
          rename(
            d.components.responses.QuotaExhausted.content,
            "application/json",
            "application/problem+json",
          ),
        [
          "response QuotaExhausted: application/json is gone; clients that need it do not get it (submitWorkflow, listWorkflows, validateWorkflow, getWorkflow, cancelWorkflow, retryWorkflow, rankDesigns, streamWorkflowEvents, listArtifacts, downloadArtifact, getBalance, listLedger, createCheckout)",
        ],
      ],
      "no body": [
        (d) => delete list(d).responses["200"].content,
        [
          "GET /v1/workflows, 200: application/json is gone; clients that need it do not get it (listWorkflows)",
        ],
      ],
      "a removed header": [
        (d) => delete submit(d).responses["201"].headers.Location,
        ["POST /v1/workflows, 201, header Location: is gone; clients no longer receive it (submitWorkflow)"],
      ],
      "a header with other values": [
        (d) => delete d.components.headers.Location.schema.pattern,
        [
          "response header Location: pattern ^/ is gone; clients may receive what was excluded (submitWorkflow)",
        ],
        (d) => (d.components.headers.Location.schema.pattern = "^/"),
      ],
      "a header of a media type with other values": [
        (d) => delete d.components.headers.Location.content["text/plain"].schema.pattern,
        [
          "response header Location: pattern ^/ is gone; clients may receive what was excluded (submitWorkflow)",
        ],
        (d) => (d.components.headers.Location.content = { "text/plain": { schema: { pattern: "^/" } } }),
      ],
      "a header that may be missing": [
        (d) => delete d.components.headers.Location.required,
        ["response header Location: is no longer required; responses may lack it (submitWorkflow)"],
      ],
      "a link": [
        (d) => delete submit(d).responses["201"].links,
        [
          'POST /v1/workflows, 201: links {"read":{"operationId":"getWorkflow"}} is gone; clients may depend on the old one (submitWorkflow)',
        ],
        (d) => (submit(d).responses["201"].links = { read: { operationId: "getWorkflow" } }),
      ],
    }));

  itAllows({
    "a new method": [(d) => (d.paths["/v1/healthz"].post = { operationId: "checkHealth", responses: {} })],
    "a new optional parameter": [
      (d) => list(d).parameters.push({ name: "order", in: "query", schema: { type: "string" } }),
    ],
    "a parameter of its path instead": [
      (d) => {
        d.paths["/v1/workflows"].parameters = list(d).parameters;
        delete list(d).parameters;
        d.paths["/v1/workflows"].post.parameters ??= [];
      },
    ],
    "a parameter that is no longer required": [
      (d) => delete parameter(d, "state").required,
      (d) => (parameter(d, "state").required = true),
    ],
    "OpenAPI's defaults in writing": [
      (d) => Object.assign(parameter(d, "state"), { style: "form", explode: true }),
    ],
    "a header in another case": [(d) => (d.components.parameters.IdempotencyKey.name = "idempotency-key")],
    "a new status": [(d) => (list(d).responses["406"] = { description: "" })],
    "a new media type": [
      (d) =>
        (submit(d).requestBody.content["application/yaml"] =
          submit(d).requestBody.content["application/json"]),
    ],
    "a new header of a response": [
      (d) => (list(d).responses["200"].headers = { "X-Total": { schema: { type: "integer" } } }),
    ],
    "a component of its own": [
      (d) => {
        d.components.responses.Page = list(d).responses["200"];
        list(d).responses["200"] = { $ref: "#/components/responses/Page" };
      },
    ],
    "the security of the document in an operation": [(d) => (list(d).security = [{ bearerAuth: [] }])],
  });
});
