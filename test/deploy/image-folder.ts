import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chownSync, cpSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import { productionPackages } from "../../deploy/production-packages.ts";
import type { Lock } from "../../deploy/production-packages.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { readDockerfile, readStage } from "./dockerfile.ts";
import type { Copy } from "./dockerfile.ts";

/** The files of an image in a folder, which its user cannot write. */
export interface ImageFolder extends Disposable {
  /** The WORKDIR of the image. */
  readonly app: string;
  /** A copy of Node that the user of the image may start. */
  readonly bin: string;
}

/** Empty if this process may not change its user. */
export interface ImageUser {
  readonly uid?: number;
  readonly gid?: number;
}

/**
 * Executes the instructions of the Dockerfile for `/app`, with the installed packages. `user` fills the compile cache.
 * What is below `/` is missing: this machine's libraries are used.
 */
export function createImageFolder(user: ImageUser): ImageFolder {
  const folder = temporaryFolder();
  const [app, bin] = [join(folder.path, "app"), join(folder.path, "bin")];
  mkdirSync(bin);
  cpSync(process.execPath, join(bin, "node"));
  for (const copy of readDockerfile().copies) {
    if (copy.stage === "app") buildApp(app);
    else if (copy.stage === "compiled") fillCompileCache(app, bin, user);
    else assert.equal(copy.stage, "runtime");
  }
  // The user of the image may not write here, as in an image.
  execFileSync("chmod", ["-R", "a=rX", folder.path]);
  return {
    app,
    bin,
    [Symbol.dispose]() {
      execFileSync("chmod", ["-R", "u+w", folder.path]);
      folder[Symbol.dispose]();
    },
  };
}

/** Does what the stage `app` does. */
function buildApp(app: string): void {
  const { copies, runs } = readStage("app");
  for (const copy of copies) {
    if (copy.stage === "packages") copyPackages(app, copy);
    else copyFromContext(app, copy);
  }
  for (const command of runs) execFileSync("sh", ["-euc", command], { cwd: app });
}

function copyPackages(app: string, { target }: Copy): void {
  const lock = JSON.parse(readFileSync("package-lock.json", "utf8")) as Lock;
  for (const place of Object.keys(productionPackages(lock))) {
    // Nested packages are copied by their own path, if at all. Node reads neither types nor source maps.
    const isUsed = (source: string) =>
      !relative(place, source).split("/").includes("node_modules") && !/\.(d\.[cm]?ts|map)$/.test(source);
    cpSync(place, join(app, target, relative("node_modules", place)), { recursive: true, filter: isUsed });
  }
}

/** What BuildKit adds to the environment of a RUN instruction. */
const buildKitEnvironment = {
  OTEL_TRACES_EXPORTER: "otlp",
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "unix:///dev/otel-grpc.sock",
  OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: "grpc",
};

/** Does what the stage `compiled` does, whose result is kept in the folder of the cache alone. */
function fillCompileCache(app: string, bin: string, { uid, gid }: ImageUser): void {
  const [script, cache] = [join(app, "deploy/compile-cache.ts"), compileCacheOf(app)];
  for (const folder of [dirname(script), cache]) mkdirSync(folder);
  cpSync("deploy/compile-cache.ts", script);
  execFileSync("chmod", ["-R", "a+rX", dirname(app)]);
  if (uid !== undefined && gid !== undefined) chownSync(cache, uid, gid);
  const env = { ...buildKitEnvironment, NODE_COMPILE_CACHE: cache, NODE_V8_COVERAGE: "" };
  execFileSync(join(bin, "node"), [script], { cwd: app, env, uid, gid, stdio: "pipe" });
  rmSync(dirname(script), { recursive: true });
}

/** Where the compile cache of the image is in the folder `app`. */
export function compileCacheOf(app: string): string {
  return join(app, basename(readDockerfile().env["NODE_COMPILE_CACHE"] ?? ""));
}

/** What .dockerignore excludes from the folders that it includes. */
const ignored = readFileSync(".dockerignore", "utf8")
  .split("\n")
  .filter((line) => /^[^!#*]/.test(line));

/** Copies as COPY does: a file into the target, or the content of a folder. */
function copyFromContext(app: string, { sources, target }: Copy): void {
  for (const source of sources) {
    const place = /^\.\/$/.test(target) ? join(app, basename(source)) : join(app, target);
    mkdirSync(dirname(place), { recursive: true });
    cpSync(source, place, { recursive: true, filter: (file) => !ignored.includes(file) });
  }
}
