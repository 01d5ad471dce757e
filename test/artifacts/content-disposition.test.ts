import assert from "node:assert/strict";
import { attachmentOf } from "../../src/artifacts/content-disposition.ts";

describe("attachmentOf", () => {
  for (const [name, header] of [
    ["fold-0.pdb", 'attachment; filename="fold-0.pdb"'],
    ["my_step~26be95be-0.cif.gz", 'attachment; filename="my_step~26be95be-0.cif.gz"'],
    ["étape-0.pdb", `attachment; filename="_tape-0.pdb"; filename*=UTF-8''%C3%A9tape-0.pdb`],
    ["折叠-0", `attachment; filename="_-0"; filename*=UTF-8''%E6%8A%98%E5%8F%A0-0`],
    ["é'(*)", `attachment; filename="_'(*)"; filename*=UTF-8''%C3%A9%27%28%2A%29`],
  ] as const)
    it(`returns ${header}`, () => {
      assert.equal(attachmentOf(name), header);
    });
});
