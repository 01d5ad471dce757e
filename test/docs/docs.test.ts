import assert from "node:assert/strict";
import { parse } from "yaml";
import { contractFrom, loadContract } from "../../src/contract.ts";
import { createDocs } from "../../src/docs/docs.ts";
import type { StaticFile } from "../../src/docs/static-file.ts";

const text = async (file: StaticFile) => Buffer.from(await file.bytes(undefined)).toString();

describe("createReference", () => {
  it("states the contract that it is given, whether it was read from a file or not", async () => {
    const { document } = loadContract();
    document.info.title = "Another";
    const { yaml, json } = createDocs(contractFrom(document));
    assert.deepEqual(parse(await text(yaml)), document);
    assert.deepEqual(JSON.parse(await text(json)), document);
  });

  it("states it as it was when it was given", async () => {
    const { document, ...rest } = loadContract();
    const { json } = createDocs({ document, ...rest });
    const { title } = document.info;
    document.info.title = "Changed since";
    assert.equal(JSON.parse(await text(json)).info.title, title);
  });

  it("has every file that the page loads, each by a relative address, and no other", async () => {
    const { page, pageFiles } = createDocs(loadContract());
    const loaded = [
      ...(await text(page)).matchAll(/<(?:script|link rel="stylesheet")[^>]*(?:src|href)="([^"]*)"/g),
    ];
    assert.deepEqual(
      loaded.map(([, address]) => address).sort(),
      [...pageFiles.keys()].map((name) => `docs/${name}`).sort(),
    );
  });
});
