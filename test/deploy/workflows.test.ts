import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { globSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { temporaryFolder } from "../support/temporary-folder.ts";

/** The fields of a job that the tests read. */
interface Job {
  readonly needs?: string | readonly string[];
  readonly uses?: string;
  readonly permissions?: Readonly<Record<string, string>>;
  readonly steps?: readonly { readonly uses?: string; readonly run?: string }[];
}

/** The fields of a workflow of GitHub that the tests read. */
interface Workflow {
  readonly permissions: Readonly<Record<string, string>>;
  readonly jobs: Readonly<Record<string, Job>>;
}

const files = globSync(".github/workflows/*.yml");
const workflows = files.map((file) => parse(readFileSync(file, "utf8")) as Workflow);
const { jobs } = parse(readFileSync(".github/workflows/image.yml", "utf8")) as Workflow;

/** The jobs that end before `name` starts. */
function jobsBefore(name: string): string[] {
  const needed = [jobs[name]?.needs ?? []].flat();
  return [...needed, ...needed.flatMap(jobsBefore)];
}

describe(".github/workflows", () => {
  it("name every action by its commit, with its version beside it, and every image by its digest", () => {
    const lines = files.flatMap((file) => readFileSync(file, "utf8").split("\n"));
    const actions = lines.filter((line) => /\buses: (?!\.\/)/.test(line));
    assert.ok(actions.length > 5);
    for (const line of actions) assert.match(line, /uses: [\w-]+\/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/);
    for (const line of lines.filter((line) => line.includes("moby/buildkit")))
      assert.match(line, /:v\d+\.\d+\.\d+@sha256:[0-9a-f]{64}$/);
  });

  it("let no job write but those that push the image", () => {
    for (const { permissions } of workflows)
      for (const access of Object.values(permissions)) assert.equal(access, "read");
    const writing = workflows
      .flatMap(({ jobs }) => Object.entries(jobs))
      .filter(([, { permissions = {} }]) => Object.values(permissions).includes("write"));
    assert.deepEqual(
      writing.map(([name]) => name),
      ["build", "publish"],
    );
  });

  it("publish an image that every test and the audit of its packages have passed", () => {
    assert.deepEqual(new Set(jobsBefore("publish")), new Set(["build", "ci", "check"]));
    assert.deepEqual(new Set(jobsBefore("build")), new Set(["ci", "check"]));
    assert.equal(jobs["ci"]?.uses, "./.github/workflows/ci.yml");
    const run = (name: string) => jobs[name]?.steps?.flatMap(({ run = [] }) => run).join("\n") ?? "";
    assert.match(run("check"), /^npm audit --omit=dev --audit-level=high$/m);
    assert.ok(run("build").indexOf(".ci/image") < run("build").indexOf("push=true"));
  });

  it("tag the main branch as latest and by its commit, and a release by its version", () => {
    const main = { GITHUB_REF_TYPE: "branch", GITHUB_REF_NAME: "main" };
    assert.deepEqual(tagsOf(main), ["latest", "sha-0123abc"]);
    const release = { GITHUB_REF_TYPE: "tag", GITHUB_REF_NAME: "v1.20.3" };
    assert.deepEqual(tagsOf(release), ["v1.20.3", "1.20"]);
  });
});

/** Runs the step that tags the images of two platforms; returns the tags that it gives them together. */
function tagsOf(ref: Record<string, string>): string[] {
  using folder = temporaryFolder();
  const write = (name: string, text: string, mode?: number) =>
    writeFileSync(join(folder.path, name), text, { mode });
  write(
    "docker",
    '#!/bin/sh\nif [ "$3" = create ]; then echo "$@" >created; else echo \\"sha256:3\\"; fi\n',
    0o755,
  );
  mkdirSync(join(folder.path, "digests"));
  for (const platform of ["1", "2"]) write(`digests/${platform}`, `sha256:${platform}\n`);
  const script = jobs["publish"]?.steps?.find(({ run }) => run?.includes("imagetools"))?.run ?? "";
  const env = { PATH: `${folder.path}:${process.env["PATH"]}`, GITHUB_OUTPUT: "output", ...ref };
  const commit = { GITHUB_REPOSITORY_OWNER: "FoldForge", GITHUB_SHA: "0123abc" };
  execFileSync("bash", ["--norc", "-ec", script], { cwd: folder.path, env: { ...env, ...commit } });

  const read = (name: string) => readFileSync(join(folder.path, name), "utf8");
  assert.equal(read("output"), "name=ghcr.io/foldforge/gateway\ndigest=sha256:3\n");
  const words = read("created").trim().split(" ");
  assert.deepEqual(words.splice(-2), [
    "ghcr.io/foldforge/gateway@sha256:1",
    "ghcr.io/foldforge/gateway@sha256:2",
  ]);
  return words.slice(3).map((word) => word.replace("--tag=ghcr.io/foldforge/gateway:", ""));
}
