import assert from "node:assert/strict";
import { loadContract } from "../../src/contract.ts";
import { withConstraints } from "../../src/validation/constraints.ts";
import { readParamForms } from "../../src/validation/param-forms.ts";
import { startSandbox } from "../../src/sandbox/start-sandbox.ts";
import { startTestGateway } from "../support/gateway.ts";
import { blocks, code, readPage, rows, section } from "../support/pages.ts";
import { sandboxSettings, settingsFor } from "../support/sandbox.ts";

const page = readPage("docs/tools.md");
const toolNames = ["rfdiffusion", "proteinmpnn", "boltz", "af2"];

/** The parts of a schema that the page gives. */
interface ParamSchema {
  readonly type: string | readonly string[];
  readonly enum?: readonly string[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly maxLength?: number;
  readonly maxItems?: number;
}

/** What the page says of a parameter's limits. */
function limits({ enum: values, minimum, maximum, maxLength, maxItems }: ParamSchema): string {
  if (values !== undefined) return values.map((value) => `\`${value}\``).join(", ");
  const [min, max] = [minimum, maximum].map((value) => value?.toLocaleString("en"));
  if (min !== undefined && max !== undefined) return `${min} to ${max}`;
  const most = (maxLength ?? maxItems)?.toLocaleString("en");
  if (most === undefined) return "";
  const of = [maxLength && "characters", maxItems && "entries"].filter((unit) => unit !== undefined);
  return `up to ${most} ${of.join(" or ")}`;
}

describe("docs/tools.md", () => {
  const { schemas } = withConstraints(loadContract().document.components) as unknown as {
    schemas: Record<string, { properties: Record<string, ParamSchema> }>;
  };

  for (const tool of toolNames)
    it(`lists the parameters of ${tool} with type and limits, as the contract has them`, () => {
      const { properties } = schemas[`${tool.charAt(0).toUpperCase()}${tool.slice(1)}Params`]!;
      assert.deepEqual(
        rows(section(page, tool), /^`/).map(([name, type, limit]) => [code(name)[0], type, limit]),
        Object.entries(properties).map(([name, schema]) => {
          return [name, [schema.type].flat().join(" or "), limits(schema)];
        }),
      );
    });

  it("lists the forms of values that are read as others", () => {
    const tools = Object.fromEntries(
      toolNames.flatMap((tool) => rows(section(page, tool), /^`/).map(([name]) => [code(name)[0]!, tool])),
    );
    const documented = rows(page, /^`/).flatMap(([name, from, as, ...others]) =>
      others.length > 0
        ? []
        : code(from).map((text, index) => [code(name)[0]!, text, code(as)[index]!] as const),
    );
    assert.equal(documented.length, 15);
    for (const [name, from, as] of documented) {
      const params = { [name]: JSON.parse(from) as unknown };
      assert.deepEqual(readParamForms({ steps: [{ tool: tools[name], params }] }), []);
      assert.deepEqual(params[name], JSON.parse(as), `${name} ${from}`);
    }
  });

  it("lists the parameters that are left out where they are 0, and those that are passed on", () => {
    const text = page.slice(
      page.indexOf("Clients whose messages are protobuf"),
      page.indexOf("## rfdiffusion"),
    );
    const [leftOut = "", passedOn = ""] = text.split("Where 0 can");
    const names = (sentences: string) => code(sentences).filter((name) => /^[a-z_]+$/.test(name));
    const read = toolNames.flatMap((tool) => {
      const { properties } = schemas[`${tool.charAt(0).toUpperCase()}${tool.slice(1)}Params`]!;
      const numbers = Object.entries(properties).filter(
        ([name, { minimum }]) => minimum === 0 || name === "msa_cache_policy",
      );
      const params: Record<string, unknown> = Object.fromEntries(numbers.map(([name]) => [name, 0]));
      assert.deepEqual(readParamForms({ steps: [{ tool, params }] }), []);
      return numbers.map(([name]) => [name, name in params] as const);
    });
    assert.deepEqual(
      names(leftOut).sort(),
      read.flatMap(([name, isPassedOn]) => (isPassedOn ? [] : [name])).sort(),
    );
    assert.deepEqual(
      names(passedOn)
        .filter((name) => name !== "resources")
        .sort(),
      read.flatMap(([name, isPassedOn]) => (isPassedOn ? [name] : [])).sort(),
    );
  });

  it("lists the content types and metrics of the files that each tool of the sandbox makes", async () => {
    const sandbox = await startSandbox(sandboxSettings);
    const gateway = await startTestGateway(settingsFor(sandbox));
    const [complex = ""] = blocks(section(page, "boltz"), "json");
    const steps = toolNames.map((tool, i) => ({
      id: tool,
      tool,
      depends_on: toolNames.slice(0, i).slice(-1),
      params: tool === "boltz" ? JSON.parse(complex) : {},
    }));
    const json = async (path: string, init: RequestInit) =>
      JSON.parse(await (await gateway.fetch(path, init)).text());
    const { id } = await json("/v1/workflows", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ name: "all", steps }),
    });
    const workflow = await json(`/v1/workflows/${id}`, { headers: { Prefer: "wait=20" } });
    await gateway.close();
    await sandbox.close();

    assert.equal(workflow.state, "SUCCEEDED");
    for (const { step_id: tool, outputs } of workflow.step_statuses) {
      const [[, type, metrics] = []] = rows(section(page, tool), /^one /);
      assert.deepEqual(code(type), [outputs[0].content_type], tool);
      assert.deepEqual(code(metrics).sort(), Object.keys(outputs[0].metrics).sort(), tool);
    }
  });
});
