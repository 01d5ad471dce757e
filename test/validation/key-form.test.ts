import assert from "node:assert/strict";
import { didYouMeanPath, keyFormViolations } from "../../src/validation/key-form.ts";

const before = "must be the key alone, as in the `href` of the artifact";
const meant = (path: string) => `${before}; did you mean /v1/workflows/w1/artifacts/${path}?`;

describe("keyFormViolations", () => {
  for (const [key, message] of [
    ["r2://foldforge/artifacts/abc.pdb", meant("artifacts/abc.pdb")],
    ["r2:/foldforge/artifacts/abc.pdb", undefined],
    ["R2://foldforge//artifacts/abc.pdb", meant("artifacts/abc.pdb")],
    ["s3://bucket/a b/é.pdb", meant("a%20b/%C3%A9.pdb")],
    ["/artifacts/abc.pdb", meant("artifacts/abc.pdb")],
    ["///artifacts/abc.pdb", meant("artifacts/abc.pdb")],
    ["/v1/workflows/w2/artifacts/artifacts/abc.pdb", meant("artifacts/abc.pdb")],
    ["https://api.example.com/v1/workflows/w1/artifacts/artifacts/abc.pdb", meant("artifacts/abc.pdb")],
    ["http:/127.0.0.1:8080/v1/workflows/w1/artifacts/artifacts/abc.pdb", undefined],
    ["https://account.r2.cloudflarestorage.com/foldforge/artifacts/abc.pdb", before],
    ["r2://foldforge", before],
    ["r2://foldforge/", before],
    ["r2://foldforge/a//b", before],
    ["/", before],
    ["artifacts/abc.pdb", undefined],
    ["v1/workflows/w1/artifacts/a.pdb", undefined],
    ["r2/a.pdb", undefined],
    ["r2:a.pdb", undefined],
    ["a/r2://b/c", undefined],
    ["ar2://b/c", undefined],
    ["", undefined],
  ] as const)
    it(`reports ${message ?? "nothing"} for ${key}`, () => {
      const expected = message === undefined ? [] : [{ path: "/params/key", message }];
      assert.deepEqual(keyFormViolations({ id: "w1", key }), expected);
    });

  it("encodes the id of the workflow, and reports nothing for parameters of another shape", () => {
    const [violation] = keyFormViolations({ id: "a/b", key: "/k" });
    assert.match(violation?.message ?? "", /\/v1\/workflows\/a%2Fb\/artifacts\/k\?$/);
    for (const params of [undefined, {}, { id: "w1" }, { key: "/k" }, { id: 1, key: "/k" }])
      assert.deepEqual(keyFormViolations(params), []);
  });
});

describe("didYouMeanPath", () => {
  for (const [key, path] of [
    ["r2:/foldforge/artifacts/abc.pdb", "artifacts/abc.pdb"],
    ["http:/127.0.0.1:8080/v1/workflows/w1/artifacts/artifacts/abc.pdb", "artifacts/abc.pdb"],
    ["https:/account.r2.cloudflarestorage.com/foldforge/artifacts/abc.pdb", undefined],
    ["s3:/foldforge", undefined],
    ["artifacts/abc.pdb", undefined],
  ] as const)
    it(`suggests ${path ?? "nothing"} for ${key}`, () => {
      const expected = path === undefined ? "" : `; did you mean /v1/workflows/w1/artifacts/${path}?`;
      assert.equal(didYouMeanPath("w1", key), expected);
    });
});
