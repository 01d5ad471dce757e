import { itAllows, itReports, parameter, properties, rename, schemas, without } from "./openapi-edits.ts";

const submitting = "(submitWorkflow, validateWorkflow)";
const returning = "(submitWorkflow, listWorkflows, getWorkflow, cancelWorkflow, retryWorkflow)";
const invalid = "requests that were valid may get 400";
const excluded = "clients may receive what was excluded";
const otherType = "generated clients have another type";

describe("compareSchemas", () => {
  describe("requests", () =>
    itReports({
      "an open object": [
        (d) => delete schemas(d).RankRequest.additionalProperties,
        [
          "RankRequest: additionalProperties false is gone; a misspelt property no longer gets 400 (rankDesigns)",
        ],
      ],
      "an object that is open by name": [
        (d) => (schemas(d).RankFilter.additionalProperties = true),
        [
          "RankFilter: additionalProperties was false and is true; a misspelt property no longer gets 400 (rankDesigns)",
        ],
      ],
      "a closed object": [
        (d) => (properties(d, "Step").params.additionalProperties = false),
        [`Step.params: additionalProperties was true and is false; ${invalid} ${submitting}`],
      ],
      "restricted additional properties": [
        (d) => (properties(d, "Step").params.additionalProperties = { type: "string" }),
        [`Step.params{}: type string is new; ${invalid} ${submitting}`],
      ],
      "a removed property": [
        (d) => delete properties(d, "RankRequest").top_k,
        ["RankRequest.top_k: is gone; clients can no longer send it (rankDesigns)"],
      ],
      "a removed property of an open object": [
        (d) => delete properties(d, "Af2Params").relax,
        [`Af2Params.relax: is gone; clients can no longer send it ${submitting}`],
      ],
      "a property with another name": [
        (d) => rename(properties(d, "RankRequest"), "top_k", "limit"),
        ["RankRequest.top_k: is gone; clients can no longer send it (rankDesigns)"],
      ],
      "a required property": [
        (d) => schemas(d).RankRequest.required.push("top_k"),
        [`RankRequest.top_k: is required now; requests without it get 400 (rankDesigns)`],
      ],
      "a new required property": [
        (d) => {
          properties(d, "WorkflowSpec").project = { type: "string" };
          schemas(d).WorkflowSpec.required.push("project");
        },
        [`WorkflowSpec.project: is required now; requests without it get 400 ${submitting}`],
      ],
      "a removed value": [
        (d) => (schemas(d).Tool.enum = without(schemas(d).Tool.enum, "af2")),
        [`Tool: value af2 is gone; requests with it get 400 ${submitting}`],
      ],
      "a list of values": [
        (d) => (properties(d, "Af2Params").sequence.enum = ["A"]),
        [`Af2Params.sequence: enum ["A"] is new; ${invalid} ${submitting}`],
      ],
      "shorter strings": [
        (d) => (properties(d, "WorkflowSpec").name.maxLength = 64),
        [`WorkflowSpec.name: maxLength was 256 and is 64; ${invalid} ${submitting}`],
      ],
      "longer strings": [
        (d) => (properties(d, "WorkflowSpec").name.minLength = 3),
        [`WorkflowSpec.name: minLength was 1 and is 3; ${invalid} ${submitting}`],
      ],
      "a new bound": [
        (d) => (properties(d, "RankFilter").min.minimum = 0),
        ["RankFilter.min: minimum 0 is new; requests that were valid may get 400 (rankDesigns)"],
      ],
      "an exclusive bound": [
        (d) => (properties(d, "Af2Params").num_models.exclusiveMaximum = 5),
        [`Af2Params.num_models: exclusiveMaximum 5 is new; ${invalid} ${submitting}`],
      ],
      "multiples only": [
        (d) => (properties(d, "RankRequest").top_k.multipleOf = 5),
        [`RankRequest.top_k: multipleOf 5 is new; ${invalid} (rankDesigns)`],
      ],
      "one value only": [
        (d) => (properties(d, "RankRequest").maximize.const = true),
        [`RankRequest.maximize: const true is new; ${invalid} (rankDesigns)`],
      ],
      "fewer items": [
        (d) => (properties(d, "WorkflowSpec").steps.maxItems = 8),
        [`WorkflowSpec.steps: maxItems was 256 and is 8; ${invalid} ${submitting}`],
      ],
      "more items": [
        (d) => (properties(d, "WorkflowSpec").steps.minItems = 2),
        [`WorkflowSpec.steps: minItems was 1 and is 2; ${invalid} ${submitting}`],
      ],
      "shorter items": [
        (d) => (properties(d, "ProteinmpnnParams").omit_aas.items.maxLength = 1),
        [`ProteinmpnnParams.omit_aas[]: maxLength was 32 and is 1; ${invalid} ${submitting}`],
      ],
      "fewer properties": [
        (d) => (schemas(d).Labels.maxProperties = 8),
        [`Labels: maxProperties was 64 and is 8; ${invalid} ${submitting}`],
      ],
      "shorter values of a map": [
        (d) => (schemas(d).Labels.additionalProperties.maxLength = 8),
        [`Labels{}: maxLength was 256 and is 8; ${invalid} ${submitting}`],
      ],
      "other names of properties": [
        (d) => (schemas(d).Labels.patternProperties = { "^x-": { maxLength: 8 } }),
        [`Labels{^x-}: is new; ${invalid} ${submitting}`],
      ],
      "no names of properties": [
        (d) => delete schemas(d).Labels.patternProperties,
        [`Labels{^x-}: is gone; ${invalid} ${submitting}`],
        (d) => (schemas(d).Labels.patternProperties = { "^x-": { maxLength: 8 } }),
      ],
      "another type": [
        (d) => (properties(d, "ResourceSpec").gpu_type.type = "integer"),
        [`ResourceSpec.gpu_type: type was string and is integer; ${otherType} ${submitting}`],
      ],
      "integers only": [
        (d) => (properties(d, "RankFilter").min.type = "integer"),
        [
          "RankFilter.min: type was number and is integer; requests that were valid may get 400 (rankDesigns)",
        ],
      ],
      "another format": [
        (d) => (properties(d, "RankRequest").top_k.format = "int32"),
        [`RankRequest.top_k: format was int64 and is int32; ${otherType} (rankDesigns)`],
      ],
      "another default": [
        (d) => (properties(d, "RankRequest").top_k.default = 10),
        [
          "RankRequest.top_k: default 10 is new; requests that leave it out mean something else (rankDesigns)",
        ],
      ],
      "a keyword that the comparison does not know": [
        (d) => (properties(d, "RankRequest").top_k.readOnly = true),
        [`RankRequest.top_k: readOnly true is new; ${invalid} (rankDesigns)`],
      ],
      alternatives: [
        (d) => (properties(d, "RankRequest").top_k.oneOf = [{ maximum: 10 }, { minimum: 20 }]),
        [`RankRequest.top_k: oneOf is new; ${invalid} (rankDesigns)`],
      ],
      "no alternatives": [
        (d) => delete properties(d, "RankRequest").top_k.oneOf,
        [`RankRequest.top_k: oneOf is gone; ${otherType} (rankDesigns)`],
        (d) => (properties(d, "RankRequest").top_k.oneOf = [{ maximum: 10 }, { minimum: 20 }]),
      ],
      "a lost alternative": [
        (d) => properties(d, "RankRequest").top_k.anyOf.pop(),
        [`RankRequest.top_k: anyOf lost {"minimum":20}; ${invalid} (rankDesigns)`],
        (d) => (properties(d, "RankRequest").top_k.anyOf = [{ maximum: 10 }, { minimum: 20 }]),
      ],
      "a narrower alternative": [
        (d) => (properties(d, "RankRequest").top_k.anyOf[1].minimum = 30),
        [`RankRequest.top_k: minimum was 20 and is 30; ${invalid} (rankDesigns)`],
        (d) => (properties(d, "RankRequest").top_k.anyOf = [{ maximum: 10 }, { minimum: 20 }]),
      ],
      "a further constraint": [
        (d) => (schemas(d).RankRequest.allOf = [{ required: ["top_k"] }]),
        [`RankRequest.top_k: is required now; requests without it get 400 (rankDesigns)`],
      ],
      "what must not be": [
        (d) => (schemas(d).RankRequest.not = { required: ["top_k"] }),
        [`RankRequest: not {"required":["top_k"]} is new; ${invalid} (rankDesigns)`],
      ],
      nothing: [
        (d) => (properties(d, "RankRequest").top_k = false),
        [
          `RankRequest.top_k: format int64 is gone; ${otherType} (rankDesigns)`,
          `RankRequest.top_k: not {} is new; ${invalid} (rankDesigns)`,
        ],
      ],
    }));

  describe("x-constraints", () =>
    itReports({
      "a stricter pattern": [
        (d) => (schemas(d).StepId["x-constraints"].pattern = "^[a-z]*$"),
        [String.raw`StepId: pattern was ^[^\u0000-\u001F\u007F]*$ and is ^[a-z]*$; ${invalid} ${submitting}`],
      ],
      "unique items": [
        (d) => (properties(d, "WorkflowSpec").steps["x-constraints"] = { uniqueItems: true }),
        [`WorkflowSpec.steps: uniqueItems true is new; ${invalid} ${submitting}`],
      ],
      "fewer types": [
        (d) => (properties(d, "RfdiffusionParams").symmetry["x-constraints"].type = ["string"]),
        [
          `RfdiffusionParams.symmetry: type was ["string","boolean"] and is ["string"]; ${invalid} ${submitting}`,
        ],
      ],
      "shorter names of properties": [
        (d) => (schemas(d).Labels["x-constraints"].propertyNames.maxLength = 8),
        [`Labels propertyNames: maxLength was 128 and is 8; ${invalid} ${submitting}`],
      ],
      "shorter items": [
        (d) => (properties(d, "RfdiffusionParams").hotspot_res["x-constraints"].items.maxLength = 8),
        [`RfdiffusionParams.hotspot_res[]: maxLength was 32 and is 8; ${invalid} ${submitting}`],
      ],
      "a bound of a schema that had none": [
        (d) => (properties(d, "RankFilter").max["x-constraints"] = { maximum: 1 }),
        [`RankFilter.max: maximum 1 is new; ${invalid} (rankDesigns)`],
      ],
      "a narrower consequence of a condition": [
        (d) => (schemas(d).Step["x-constraints"].allOf[0].then.required = ["params"]),
        [`Step.params: is required now; requests without it get 400 ${submitting}`],
      ],
      "another condition": [
        (d) => (schemas(d).Step["x-constraints"].allOf[0].if.properties.tool.const = "boltz"),
        [`Step if.tool: const was rfdiffusion and is boltz; other requests may get 400 ${submitting}`],
      ],
      "a condition for further properties": [
        (d) => (schemas(d).Step["x-constraints"].allOf[0].if.properties.id = { const: "a" }),
        [`Step if.id: has another condition; other requests may get 400 ${submitting}`],
      ],
      "a condition for fewer properties": [
        (d) => delete schemas(d).Step["x-constraints"].allOf[0].if.properties.tool,
        [`Step if.tool: has another condition; other requests may get 400 ${submitting}`],
      ],
      "a new condition": [
        (d) =>
          schemas(d).Step["x-constraints"].allOf.unshift({
            if: { properties: { id: { const: "a" } } },
            then: { properties: { resources: { required: ["gpu_type"] } } },
          }),
        [`Step.resources: has another condition; ${invalid} ${submitting}`],
      ],
    }));

  describe("responses", () =>
    itReports({
      "a header of another type": [
        (d) => (d.components.headers.Location.schema.type = "integer"),
        [`response header Location: type was string and is integer; ${otherType} (submitWorkflow)`],
      ],
      "a removed property": [
        (d) => {
          delete properties(d, "Workflow").labels;
          schemas(d).Workflow.required = without(schemas(d).Workflow.required, "labels");
        },
        [`Workflow.labels: is gone; clients no longer receive it ${returning}`],
      ],
      "a removed optional property": [
        (d) => delete properties(d, "StepStatus").started_at,
        [`StepStatus.started_at: is gone; clients no longer receive it ${returning}`],
      ],
      "a property that may be missing": [
        (d) => (schemas(d).Artifact.required = without(schemas(d).Artifact.required, "sha256")),
        [`Artifact.sha256: is no longer required; responses may lack it ${returning}`],
      ],
      "a property of another type": [
        (d) => (properties(d, "Balance").balance = { type: "string" }),
        [
          `Balance.balance: type was integer and is string; ${otherType} (getBalance)`,
          `Balance.balance: format int64 is gone; ${otherType} (getBalance)`,
        ],
      ],
      "a property that may be null": [
        (d) => (properties(d, "LedgerEntry").reason.type = ["string", "null"]),
        [`LedgerEntry.reason: type was string and is ["string","null"]; ${otherType} (listLedger)`],
      ],
      "a property of one type instead of two": [
        (d) => (properties(d, "LedgerEntry").reason.type = "string"),
        [`LedgerEntry.reason: type was ["string","null"] and is string; ${otherType} (listLedger)`],
        (d) => (properties(d, "LedgerEntry").reason.type = ["string", "null"]),
      ],
      "another format": [
        (d) => delete schemas(d).Time.format,
        [`Time: format date-time is gone; ${otherType} ${returning.replace(")", ", listLedger)")}`],
      ],
      "a removed known value": [
        (d) =>
          (properties(d, "Workflow").state["x-extensible-enum"] = without(
            properties(d, "Workflow").state["x-extensible-enum"],
            "UNKNOWN",
          )),
        [`Workflow.state: value UNKNOWN is gone; clients no longer receive it ${returning}`],
      ],
      "no known values": [
        (d) => delete properties(d, "Readiness").status["x-extensible-enum"],
        [
          `Readiness.status: value ready is gone; clients no longer receive it (readyz)`,
          `Readiness.status: value unavailable is gone; clients no longer receive it (readyz)`,
        ],
      ],
      "a new value of a closed enum": [
        (d) => properties(d, "Readiness").status.enum.push("starting"),
        [`Readiness.status: value starting is new; ${excluded} (readyz)`],
        (d) => rename(properties(d, "Readiness").status, "x-extensible-enum", "enum"),
      ],
      "a removed value of a closed enum": [
        (d) => properties(d, "Readiness").status.enum.pop(),
        [`Readiness.status: value unavailable is gone; clients no longer receive it (readyz)`],
        (d) => rename(properties(d, "Readiness").status, "x-extensible-enum", "enum"),
      ],
      "an open enum": [
        (d) => rename(properties(d, "Readiness").status, "enum", "x-extensible-enum"),
        [`Readiness.status: enum ["ready","unavailable"] is gone; ${excluded} (readyz)`],
        (d) => rename(properties(d, "Readiness").status, "x-extensible-enum", "enum"),
      ],
      "a lower bound": [
        (d) => delete properties(d, "LedgerEntry").reason.minLength,
        [`LedgerEntry.reason: minLength 1 is gone; ${excluded} (listLedger)`],
        (d) => (properties(d, "LedgerEntry").reason.minLength = 1),
      ],
      "no pattern": [
        (d) => delete properties(d, "LedgerEntry").reason.pattern,
        [`LedgerEntry.reason: pattern ^a$ is gone; ${excluded} (listLedger)`],
        (d) => (properties(d, "LedgerEntry").reason.pattern = "^a$"),
      ],
      "a map without entries": [
        (d) => (properties(d, "Workflow").labels.additionalProperties = false),
        [
          `Workflow.labels: additionalProperties was {"type":"string"} and is false; clients no longer receive them ${returning}`,
        ],
      ],
      "a further alternative": [
        (d) => properties(d, "LedgerEntry").reason.oneOf.push({ type: "null" }),
        [`LedgerEntry.reason: oneOf has {"type":"null"} now; ${otherType} (listLedger)`],
        (d) => (properties(d, "LedgerEntry").reason.oneOf = [{ type: "string" }]),
      ],
      "another type by name": [
        (d) => (properties(d, "StepStatus").error.$ref = "#/components/schemas/Violation"),
        [
          `StepStatus.error: is no longer ErrorDetail; generated clients have another type ${returning}`,
          `StepStatus.error.code: is gone; clients no longer receive it ${returning}`,
          `StepStatus.error.retryable: is gone; clients no longer receive it ${returning}`,
        ],
      ],
    }));

  itAllows({
    "a new optional property of a request": [(d) => (properties(d, "RankRequest").note = { type: "string" })],
    "a new tool parameter": [(d) => (properties(d, "Af2Params").ranking = { type: "boolean" })],
    "a new property of a response": [
      (d) => {
        properties(d, "Artifact").md5 = { type: "string" };
        schemas(d).Artifact.required.push("md5");
      },
    ],
    "a property of a request that is no longer required": [(d) => (schemas(d).RankRequest.required = [])],
    "a new value of a request": [(d) => schemas(d).Tool.enum.push("esmfold")],
    "a new known value of a response": [
      (d) => properties(d, "Workflow").state["x-extensible-enum"].push("PAUSED"),
    ],
    "an enum of a response that is closed": [
      (d) => rename(properties(d, "Readiness").status, "x-extensible-enum", "enum"),
    ],
    "any value of a request": [(d) => delete schemas(d).Tool.enum],
    "longer strings": [(d) => (properties(d, "WorkflowSpec").name.maxLength = 512)],
    "shorter strings": [(d) => (properties(d, "WorkflowSpec").name.minLength = 0)],
    "no bound": [(d) => delete properties(d, "WorkflowSpec").steps.maxItems],
    "a higher maximum": [(d) => (parameter(d, "page_size").schema.maximum = 200)],
    "a lower minimum": [(d) => (properties(d, "Af2Params").num_models.minimum = 0)],
    "no pattern of a request": [(d) => delete schemas(d).WorkflowId.pattern],
    "further types of a request": [
      (d) => properties(d, "RfdiffusionParams").symmetry["x-constraints"].type.push("integer"),
    ],
    "numbers instead of integers in a request": [
      (d) => (properties(d, "Af2Params").num_models.type = "number"),
    ],
    "one type as a list": [(d) => (properties(d, "Af2Params").num_models.type = ["integer"])],
    "items that may be equal": [(d) => delete schemas(d).DependsOn["x-constraints"]],
    "JSON schema's defaults in writing": [
      (d) => {
        schemas(d).Labels.minProperties = 0;
        properties(d, "WorkflowSpec").steps.uniqueItems = false;
      },
    ],
    "no condition": [(d) => schemas(d).Step["x-constraints"].allOf.pop()],
    "conditions in another order": [(d) => schemas(d).Step["x-constraints"].allOf.reverse()],
    "a constraint as a plain keyword instead": [
      (d) => {
        const { pattern } = schemas(d).StepId["x-constraints"];
        delete schemas(d).StepId["x-constraints"];
        schemas(d).StepId.pattern = pattern;
      },
    ],
    "a further alternative of a request": [
      (d) => properties(d, "RankRequest").top_k.anyOf.push({ const: 7 }),
      (d) => (properties(d, "RankRequest").top_k.anyOf = [{ const: 5 }]),
    ],
    "a larger limit of a response": [
      (d) => (properties(d, "LedgerEntry").reason.maxLength = 200),
      (d) => (properties(d, "LedgerEntry").reason.maxLength = 100),
    ],
    "a constraint that requests alone obey": [
      (d) => (properties(d, "LedgerEntry").reason["x-constraints"] = { pattern: "^a$" }),
    ],
    "a stricter response": [
      (d) => Object.assign(properties(d, "LedgerEntry").reason, { minLength: 1, maxLength: 100 }),
    ],
    "a closed response": [(d) => (schemas(d).Balance.additionalProperties = false)],
    "an open response": [
      (d) => delete schemas(d).Balance.additionalProperties,
      (d) => (schemas(d).Balance.additionalProperties = false),
    ],
    "a schema in its place instead of a string by name": [
      (d) => (properties(d, "Step").id = { ...schemas(d).StepId }),
    ],
  });
});
