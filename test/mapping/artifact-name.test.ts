import assert from "node:assert/strict";
import { extensionOfType, extensionStart, nameStem } from "../../src/mapping/artifact-name.ts";

describe("nameStem", () => {
  for (const id of ["fold", "fold-0", "a.b_c-1", "_", "0", "x".repeat(128), "折叠", "étape"])
    it(`is the id itself for ${id.slice(0, 20)}`, () => {
      assert.equal(nameStem(id), id);
    });

  for (const [id, readable] of [
    ["", ""],
    ["a b", "a_b"],
    ["a/b", "a_b"],
    ["../../etc/passwd", "_._.._etc_passwd"],
    [".hidden", "_hidden"],
    ["-rf", "_rf"],
    ['a"b\\c:d*e?f<g>h|i', "a_b_c_d_e_f_g_h_i"],
    ["a~b", "a_b"],
    ["a\u202Egnp.b", "a_gnp.b"],
    ["\u{1F9EC}", "_"],
    ["e\u0301", "é"],
    ["x".repeat(129), "x".repeat(128)],
    ["é".repeat(65), "é".repeat(64)],
    [`x${"é".repeat(65)}`, `x${"é".repeat(63)}`],
    ["\ud800", "_"],
  ] as const)
    it(`begins with ${readable.slice(0, 20)} and ends with a hash for ${JSON.stringify(id.slice(0, 20))}`, () => {
      const stem = nameStem(id);
      assert.equal(stem.replace(/~[0-9a-f]{8}$/, ""), readable);
      assert.notEqual(stem, readable);
      assert.equal(nameStem(id), stem);
    });

  it("differs for ids that differ only in what is replaced or cut", () => {
    const long = "x".repeat(200);
    const ids = ["a b", "a/b", "a_b", "a~b", "é", "e\u0301", long, `${long}y`, "", "_", "-", "."];
    assert.equal(new Set(ids.map(nameStem)).size, ids.length);
    // A hash cannot be imitated: an id with a `~` gets one of its own.
    assert.notEqual(nameStem(nameStem("a b")), nameStem("a b"));
  });
});

describe("extensionStart", () => {
  for (const [uri, extension] of [
    ["r2://b/a.pdb", ".pdb"],
    ["r2://b/a.PDB", ".PDB"],
    ["r2://b/a.b.cif", ".cif"],
    ["r2://b/a.cif.gz", ".cif.gz"],
    ["r2://b/a.pdb.bz2", ".pdb.bz2"],
    ["r2://b/a.pdb.xz", ".pdb.xz"],
    ["r2://b/a.pdb.zst", ".pdb.zst"],
    ["r2://b/a.x.pdb.gz", ".pdb.gz"],
    ["r2://b/a-b.gz", ".gz"],
    ["r2://b/.pdb", ".pdb"],
    ["r2://b/a.abcdefghijkl", ".abcdefghijkl"],
    ["r2://b/a.abcdefghijklm", ""],
    ["r2://b/a.pdb/x", ""],
    ["r2://b.c/a", ""],
    ["r2://b/a.", ""],
    ["r2://b/a.é", ""],
    ["r2://b/a.b c", ""],
    ["r2://b/a", ""],
    ["", ""],
  ] as const)
    it(`finds ${extension || "nothing"} in ${uri}`, () => {
      const bytes = Buffer.from(`.x${uri}.y`);
      const end = bytes.length - 2;
      assert.equal(bytes.toString("utf8", extensionStart(bytes, 2, end), end), extension);
    });
});

describe("extensionOfType", () => {
  for (const [type, extension] of [
    ["chemical/x-pdb", ".pdb"],
    ["chemical/x-mmcif", ".cif"],
    ["text/x-fasta", ".fasta"],
    ["Text/Plain; charset=utf-8", ".txt"],
    ["application/octet-stream", ""],
    ["constructor", ""],
    ["", ""],
  ] as const)
    it(`is ${extension || "nothing"} for ${type}`, () => {
      assert.equal(extensionOfType(type), extension);
    });
});
