import assert from "node:assert/strict";
import { loadContract } from "../../src/contract.ts";
import { artifactsPath, isPlainKey, keyPath } from "../../src/mapping/artifact-path.ts";
import { createRequestValidators } from "../../src/validation/request-validator.ts";

const { document, paths } = loadContract();
const download = paths
  .flatMap(({ operations }) => operations)
  .find((operation) => operation.id === "downloadArtifact")!;
const validate = createRequestValidators(document)(download);

/** Whether the contract accepts these parameters of a download. */
function isValid(id: string, key: string): boolean {
  return validate({ params: { id, key }, query: {}, headers: {}, body: undefined }).length === 0;
}

describe("artifactsPath", () => {
  for (const [id, path] of [
    ["w1", "/v1/workflows/w1/artifacts"],
    ["9b2f6c1e-6d0c-4c39", "/v1/workflows/9b2f6c1e-6d0c-4c39/artifacts"],
    ["a:b~_.-", "/v1/workflows/a%3Ab~_.-/artifacts"],
    ["x".repeat(128), `/v1/workflows/${"x".repeat(128)}/artifacts`],
    ["x".repeat(129), undefined],
    ["", undefined],
    [".a", undefined],
    ["a/b", undefined],
    ["a b", undefined],
    ["é", undefined],
    ["a\n", undefined],
  ] as const)
    it(`returns ${path?.slice(0, 60)} for ${JSON.stringify(id.slice(0, 20))}`, () => {
      assert.equal(artifactsPath(id), path);
      assert.equal(isValid(id, "a"), path !== undefined);
    });
});

/** Each key with its path. Those that are their own path are plain, unless a segment begins with a dot. */
const keys: readonly (readonly [key: string, path: string | undefined])[] = [
  ["a", "a"],
  ["artifacts/a.pdb", "artifacts/a.pdb"],
  ["a/b/c-d_e~f!g*h'i(j)", "a/b/c-d_e~f!g*h'i(j)"],
  [".a/..b/...", ".a/..b/..."],
  ["a b/c+d&e=f?g#h", "a%20b/c%2Bd%26e%3Df%3Fg%23h"],
  ["a%2Fb", "a%252Fb"],
  ["é/🧬", "%C3%A9/%F0%9F%A7%AC"],
  ["a\u0085", "a%C2%85"],
  ["x".repeat(1024), "x".repeat(1024)],
  ["🧬".repeat(1024), "%F0%9F%A7%AC".repeat(1024)],
  ["x".repeat(1025), undefined],
  ["é".repeat(1025), undefined],
  ["", undefined],
  ["/a", undefined],
  ["a/", undefined],
  ["a//b", undefined],
  [".", undefined],
  ["..", undefined],
  ["a/../b", undefined],
  ["a/.", undefined],
  ["a\\b", undefined],
  ["a\0b", undefined],
  ["a\u001f", undefined],
  ["a\u007f", undefined],
  ["a\n", undefined],
];

describe("keyPath", () => {
  for (const [key, path] of keys)
    it(`returns ${path?.slice(0, 60)} for ${JSON.stringify(key.slice(0, 40))}`, () => {
      assert.equal(keyPath(Buffer.from(key)), path);
      assert.equal(isValid("w1", key), path !== undefined);
    });

  it("returns undefined for invalid UTF-8", () => {
    assert.equal(keyPath(Buffer.from([0x61, 0xff])), undefined);
  });
});

describe("isPlainKey", () => {
  for (const [key, path] of keys)
    it(`is ${path === key && !key.startsWith(".")} for ${JSON.stringify(key.slice(0, 40))}`, () => {
      const bytes = Buffer.from(`//${key}.`);
      assert.equal(isPlainKey(bytes, 2, bytes.length - 1), path === key && !key.startsWith("."));
    });
});
