import assert from "node:assert/strict";
import { loadContract } from "../../src/contract.ts";
import { renderPage } from "../../src/docs/render-page.ts";

const { document, paths } = loadContract();
const page = renderPage(document);
const idsIn = (text: string) => [...text.matchAll(/ id="([^"]*)"/g)].map(([, id]) => id);

describe("renderPage", () => {
  it("has every operation and every schema, by its own id", () => {
    const ids = idsIn(page);
    for (const { operations } of paths) for (const { id } of operations) assert.ok(ids.includes(id), id);
    for (const name of Object.keys(document.components["schemas"]!))
      assert.ok(ids.includes(`schema-${name}`), name);
    assert.equal(new Set(ids).size, ids.length);
  });

  it("has a target for every link in it", () => {
    const ids = new Set(idsIn(page));
    for (const [, target] of page.matchAll(/ href="#([^"]*)"/g)) assert.ok(ids.has(target), target);
  });

  it("has what callers need in front of what operators need", () => {
    const sections = [...page.matchAll(/<section id="([^"]*)"/g)].map(([, id]) => id);
    assert.deepEqual(sections, [
      "quick-start",
      "overview",
      ...["tag-Workflows", "tag-Events", "tag-Artifacts", "tag-Billing"],
      "tool-parameters",
      "errors",
      "schemas",
      ...["tag-Documentation", "tag-Health"],
    ]);
  });

  it("has a form for every operation but the one that a signature authenticates", () => {
    const operations = page.matchAll(
      /<details class="operation" id="(\w+)([^]*?)(?=<details class="op|<\/section>)/g,
    );
    const withoutForm = [...operations].filter(([, , content = ""]) => !content.includes("<form"));
    assert.deepEqual(
      withoutForm.map(([, id]) => id),
      ["stripeWebhook"],
    );
    assert.match(String(withoutForm), /Needs a signature instead of a token/);
  });

  it("links the parameters of a step to the schemas of the tools", () => {
    const [, tools = ""] = /<section id="tool-parameters">([^]*?)<section/.exec(page) ?? [];
    const names = Object.keys(document.components["schemas"]!).filter((name) => name.endsWith("Params"));
    assert.deepEqual(
      idsIn(tools),
      names.map((name) => `schema-${name}`),
    );
    const [, step = ""] = /id="schema-Step"([^]*?)<\/dl>/.exec(page) ?? [];
    for (const name of names) assert.ok(step.includes(`href="#schema-${name}"`), name);
  });

  it("shows the text of any document as text", () => {
    const attack = `<img src=x onerror=alert(1)>"'><script>alert(1)</script>`;
    const attacked = JSON.parse(JSON.stringify(document), (key, value) =>
      typeof value === "string" && ["description", "summary", "title", "example"].includes(key)
        ? attack
        : value,
    );
    for (const item of Object.values<{ get?: { operationId: string } }>(attacked.paths))
      if (item.get !== undefined) item.get.operationId += attack;
    const text = renderPage(attacked);
    assert.ok(!text.includes("<img"));
    assert.ok(!text.includes(`"'`));
    assert.equal(text.split("<script").length, page.split("<script").length);
  });

  it("leaves out the groups that have no operation", () => {
    const callers = Object.entries(document.paths).filter(([path]) => path.startsWith("/v1/workflows"));
    const text = renderPage({ ...document, paths: Object.fromEntries(callers) });
    assert.ok(text.includes("tag-Workflows"));
    for (const name of ["Billing", "Health"]) assert.ok(!text.includes(`tag-${name}`), name);
  });
});
