import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, readFileSync } from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import { productionPackages } from "../../deploy/production-packages.ts";
import type { Lock } from "../../deploy/production-packages.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { readDockerfile } from "./dockerfile.ts";
import type { Copy } from "./dockerfile.ts";

/** What an image holds, laid out as files that nobody may write. */
export interface ImageFolder extends Disposable {
  /** The image's working folder. */
  readonly app: string;
  /** A Node of its own, where whoever runs the image may start it. */
  readonly bin: string;
}

/** Follows the COPY lines of deploy/Dockerfile, with the packages that are installed here. */
export function createImageFolder(): ImageFolder {
  const folder = temporaryFolder();
  const [app, bin] = [join(folder.path, "app"), join(folder.path, "bin")];
  for (const copy of readDockerfile().copies) {
    if (copy.stage === "packages") copyPackages(app, copy);
    else copyFromContext(app, copy);
  }
  mkdirSync(bin);
  cpSync(process.execPath, join(bin, "node"));
  // Whoever runs it has no rights in a temporary folder of this user, nor has an image's own user in an image.
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

function copyPackages(app: string, { target }: Copy): void {
  const lock = JSON.parse(readFileSync("package-lock.json", "utf8")) as Lock;
  for (const place of Object.keys(productionPackages(lock))) {
    // What is nested in a package has a place of its own, or is not installed in an image.
    const isOwn = (source: string) => !relative(place, source).split("/").includes("node_modules");
    cpSync(place, join(app, target, relative("node_modules", place)), { recursive: true, filter: isOwn });
  }
}

/** What .dockerignore keeps out of the folders that it lets in. */
const ignored = readFileSync(".dockerignore", "utf8")
  .split("\n")
  .filter((line) => /^[^!#*]/.test(line));

/** As COPY does: a file goes into the target, of a folder the content. */
function copyFromContext(app: string, { sources, target }: Copy): void {
  for (const source of sources) {
    const place = /^\.\/$/.test(target) ? join(app, basename(source)) : join(app, target);
    mkdirSync(dirname(place), { recursive: true });
    cpSync(source, place, { recursive: true, filter: (file) => !ignored.includes(file) });
  }
}
