import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join, relative, resolve } from "node:path";

/** The result of a command. */
export interface Outcome {
  /** The exit status; -1 for a command that was killed or did not start. */
  readonly status: number;
  /** Standard output, followed by standard error. */
  readonly output: string;
}

/** A copy of the work tree outside any repository, which a test may modify. */
export interface Scratch {
  readonly folder: string;
  /** Replaces the only occurrence of `from`. */
  edit(file: string, from: string, to: string): void;
  /** Writes a file, new or not. */
  write(file: string, text: string): void;
  read(file: string): string;
  /** Runs a command in the copy, with the binaries of its packages on the PATH. */
  run(command: string, ...args: readonly string[]): Promise<Outcome>;
  /** Commits these files and folders of the current copy to `branch` of a new repository. */
  commitAs(branch: string, ...paths: readonly string[]): Promise<void>;
  remove(): void;
}

const root = resolve(import.meta.dirname, "../..");
// Neither sources of the gateway nor checks: without these, a check takes half the time.
const excluded =
  /^(\.git|node_modules|coverage|downloads|src\/(sandbox|demo)|test\/(?!check$|check\/[^.]+\.ts$).*)$/;

/** Copies contracts, gateway and checks to a new folder. The packages are shared. */
export function createScratch(): Scratch {
  const folder = mkdtempSync(join(tmpdir(), "foldforge-scratch-"));
  cpSync(root, folder, { recursive: true, filter: (source) => !excluded.test(relative(root, source)) });
  symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
  // If these were newer than the packages, make would reinstall the packages through the link.
  for (const file of ["package.json", "package-lock.json"]) utimesSync(join(folder, file), 0, 0);

  const read = (file: string) => readFileSync(join(folder, file), "utf8");
  const write = (file: string, text: string) => {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    writeFileSync(join(folder, file), text);
  };
  const run = (command: string, ...args: readonly string[]) =>
    new Promise<Outcome>((done) => {
      const options = { cwd: folder, env: environment(folder), maxBuffer: 16 * 1024 * 1024 };
      execFile(command, args, options, (error, stdout, stderr) => {
        const code = error === null ? 0 : error.code;
        done({ status: typeof code === "number" ? code : -1, output: stdout + stderr });
      });
    });

  return {
    folder,
    read,
    write,
    run,
    edit(file, from, to) {
      const parts = read(file).split(from);
      assert.equal(parts.length, 2, `${file} contains exactly once: ${from}`);
      write(file, parts.join(to));
    },
    async commitAs(branch, ...paths) {
      const identity = [
        "-c",
        "user.name=test",
        "-c",
        "user.email=test@localhost",
        "-c",
        "commit.gpgsign=false",
      ];
      for (const args of [
        ["init", "--quiet", `--initial-branch=${branch}`],
        ["add", ...paths],
        [...identity, "commit", "--quiet", "--no-verify", "--message=contract"],
      ]) {
        const { status, output } = await run("git", ...args);
        assert.equal(status, 0, output);
      }
    },
    remove() {
      rmSync(folder, { recursive: true });
    },
  };
}

/** Creates a new copy for each test of the enclosing `describe`. */
export function eachInScratch(): () => Scratch {
  let scratch: Scratch | undefined;
  beforeEach("copy the work tree", () => {
    scratch = createScratch();
  });
  afterEach("remove the copy", () => scratch?.remove());
  return () => {
    assert.ok(scratch);
    return scratch;
  };
}

/** Fails unless the command failed and printed all of `texts`. */
export function assertFails({ status, output }: Outcome, ...texts: readonly string[]): void {
  assert.notEqual(status, 0, output);
  for (const text of texts) assert.ok(output.includes(text), `no "${text}" in:\n${output}`);
}

/** Fails unless the command succeeded. */
export function assertPasses({ status, output }: Outcome): void {
  assert.equal(status, 0, output);
}

/** The environment of this process, without variables that refer to this run or this repository. */
function environment(folder: string): NodeJS.ProcessEnv {
  const own = Object.entries(process.env).filter(
    ([name]) => !/^(NODE_V8_COVERAGE$|MAKE|MFLAGS$|OUT$|GIT_|FORCE_COLOR$)/.test(name),
  );
  const path = [join(folder, "node_modules/.bin"), process.env["PATH"]].join(delimiter);
  return { ...Object.fromEntries(own), PATH: path };
}
