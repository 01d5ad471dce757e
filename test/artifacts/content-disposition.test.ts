import assert from "node:assert/strict";
import { attachmentOf } from "../../src/artifacts/content-disposition.ts";

describe("attachmentOf", () => {
  for (const [name, header] of [
    ["fold-0.pdb", 'attachment; filename="fold-0.pdb"'],
    ["my_step~26be95be-0.cif.gz", 'attachment; filename="my_step~26be95be-0.cif.gz"'],
    ["étape-0.pdb", `attachment; filename="_~6c2e1607tape-0.pdb"; filename*=UTF-8''%C3%A9tape-0.pdb`],
    ["折叠-0", `attachment; filename="_~c602e1d2-0"; filename*=UTF-8''%E6%8A%98%E5%8F%A0-0`],
    ["é'(*)", `attachment; filename="_~78ee0646'(*)"; filename*=UTF-8''%C3%A9%27%28%2A%29`],
    ["é-ü-0.pdb", `attachment; filename="_~43b0e542-_-0.pdb"; filename*=UTF-8''%C3%A9-%C3%BC-0.pdb`],
  ] as const)
    it(`returns ${header}`, () => {
      assert.equal(attachmentOf(name), header);
    });

  it("has different names in ASCII for different names", () => {
    const names = ["折叠-0.pdb", "设计-0.pdb", "é-0.pdb", "é-1.pdb", "éé-0.pdb", "_-0.pdb"];
    const inAscii = names.map((name) => /filename="([ !#-~]*)"/.exec(attachmentOf(name))?.[1]);
    assert.equal(new Set(inAscii).size, names.length);
  });
});
