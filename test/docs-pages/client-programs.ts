import assert from "node:assert/strict";
import { execFile, spawnSync } from "node:child_process";
import { symlinkSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Outcome } from "../check/scratch-fixture.ts";
import { blocks, readPage } from "../support/pages.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

/** PYTHON names an interpreter that has the packages. */
export const python = process.env["PYTHON"] || "python3";

const page = readPage("docs/clients.md");
const [typescript = ""] = blocks(page, "ts");
const [eventSource = ""] = blocks(page, "js");
const [withPackages = "", withoutPackages = ""] = blocks(page, "python");

/** A program of docs/clients.md. */
export interface Program {
  readonly name: string;
  readonly text: string;
  readonly file: string;
  readonly command: string;
  /** Whether it prints every event, rather than wait for the end. */
  readonly follows: boolean;
  /** Whether it stores the files of the workflow. */
  readonly downloads: boolean;
  /** Whether it ends with 1 unless the workflow has succeeded. */
  readonly setsExitCode: boolean;
  /** What is not installed here; undefined if it can run. */
  readonly missing: string | undefined;
}

function missingIn(imports: string): string | undefined {
  return spawnSync(python, ["-c", imports]).status === 0 ? undefined : `${python} cannot ${imports}`;
}

/** All of them. */
export const programs: readonly Program[] = [
  {
    name: "openapi-fetch",
    text: typescript,
    file: "client.ts",
    command: process.execPath,
    follows: false,
    downloads: true,
    setsExitCode: true,
    missing: undefined,
  },
  {
    name: "EventSource",
    text: eventSource,
    file: "client.js",
    command: process.execPath,
    follows: true,
    downloads: false,
    setsExitCode: false,
    missing: undefined,
  },
  {
    name: "Python and httpx",
    text: withPackages,
    file: "client.py",
    command: python,
    follows: true,
    downloads: true,
    setsExitCode: true,
    missing: missingIn("import httpx, httpx_sse"),
  },
  {
    name: "Python and the standard library",
    text: withoutPackages,
    file: "client.py",
    command: python,
    follows: true,
    downloads: true,
    setsExitCode: true,
    missing: missingIn("import urllib.request"),
  },
];

/** A program that calls `url` instead of `make dev`, with other pieces of text in place of its own. */
export function at(url: string, text: string, edits: readonly (readonly [RegExp, string])[] = []): string {
  assert.ok(text.includes("http://127.0.0.1:8080"));
  return edits.reduce(
    (edited, [from, to]) => {
      assert.match(edited, from);
      return edited.replace(from, to);
    },
    text.replaceAll("http://127.0.0.1:8080", url),
  );
}

/** Runs a command to its end. */
export function run(cwd: string, command: string, ...args: readonly string[]): Promise<Outcome> {
  return new Promise((done) => {
    execFile(command, args, { cwd }, (error, stdout, stderr) => {
      const code = error === null ? 0 : error.code;
      done({ status: typeof code === "number" ? code : -1, output: stdout + stderr });
    });
  });
}

/** Runs a program in a folder of its own, beside the packages of this project. */
export async function runProgram(
  { file, command }: Program,
  text: string,
  look: (outcome: Outcome, folder: string) => void | Promise<void>,
): Promise<void> {
  using folder = temporaryFolder();
  writeFileSync(join(folder.path, file), text);
  writeFileSync(join(folder.path, "package.json"), '{ "type": "module" }');
  symlinkSync(resolve("node_modules"), join(folder.path, "node_modules"));
  await look(await run(folder.path, command, file), folder.path);
}
