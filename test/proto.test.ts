import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";

const files = globSync("**/*.proto", { cwd: "proto" });

describe("proto/", () => {
  it("has more than one file", () => {
    assert.ok(files.length > 1);
  });

  for (const file of files) {
    it(`names the Go package of ${file} after its folder`, () => {
      const [, importPath, name] =
        /^option go_package = "(.+);(\w+)";$/m.exec(readFileSync(join("proto", file), "utf8")) ?? [];
      const folder = dirname(file);
      assert.equal(importPath, `github.com/foldforge/gateway/gen/${folder}`);
      assert.equal(name, basename(dirname(folder)) + basename(folder));
    });
  }
});
