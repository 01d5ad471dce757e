import assert from "node:assert/strict";
import { parse } from "yaml";
import { contractFrom, loadContract } from "../../src/contract.ts";
import { createDocs } from "../../src/docs/docs.ts";
import type { StaticFile } from "../../src/docs/static-file.ts";

const text = async (file: StaticFile) => Buffer.from(await file.bytes(undefined)).toString();

describe("createDocs", () => {
  it("has the given contract, read from a file or not", async () => {
    const { document } = loadContract();
    document.info.title = "Another";
    const { yaml, json } = createDocs(contractFrom(document));
    assert.deepEqual(parse(await text(yaml)), document);
    assert.deepEqual(JSON.parse(await text(json)), document);
  });

  it("copies the contract", async () => {
    const { document, ...rest } = loadContract();
    const { json } = createDocs({ document, ...rest });
    const { title } = document.info;
    document.info.title = "Changed since";
    assert.equal(JSON.parse(await text(json)).info.title, title);
  });

  it("has exactly the files that the page and its scripts load, by relative URLs", async () => {
    const { page, pageFile, pageFileNames } = createDocs(loadContract());
    const loaded = [...(await text(await page())).matchAll(/<(?:script|link)[^>]* (?:src|href)="([^"]*)"/g)];
    assert.deepEqual(
      loaded
        .map(([, url]) => url!)
        .filter((url) => !url.startsWith("data:"))
        .sort(),
      pageFileNames.map((name) => `docs/${name}`).sort(),
    );
    for (const name of pageFileNames) {
      const file = pageFile(name)!;
      assert.equal(pageFile(name), file, name);
      for (const [, imported] of (await text(file)).matchAll(/from "\.\/([^"]*)"/g))
        assert.ok(pageFileNames.includes(imported!), imported);
    }
    assert.equal(pageFile("quick-start.ts"), undefined);
  });

  it("renders the page once", () => {
    const { page } = createDocs(loadContract());
    assert.equal(page(), page());
  });

  it("renders the page again after a failure", async () => {
    const { document, ...rest } = loadContract();
    const incomplete = { ...document, tags: undefined } as unknown as typeof document;
    const { page } = createDocs({ ...rest, document: incomplete });
    const first = page();
    await assert.rejects(first);
    const second = page();
    assert.notEqual(second, first);
    await assert.rejects(second);
  });
});
