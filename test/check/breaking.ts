/**
 * Fails with each change of a contract that breaks programs made for the main branch, unless the changelog states it, and
 * with each new statement that no change matches.
 */
import { readFileSync } from "node:fs";
import { parse } from "yaml";
import { statedChanges } from "./stated-changes.ts";
import { findMainBranch } from "./main-branch.ts";
import type { MainBranch } from "./main-branch.ts";
import { openApiChanges } from "./openapi-changes.ts";
import { protobufChanges } from "./protobuf-changes.ts";

const openApi = "openapi/gateway.v1.yaml";
const changelog = "CHANGELOG.md";

const main = findMainBranch("buf.yaml", openApi);
if (main === undefined) {
  console.log("contract changes: skipped, there is no main branch with contracts to compare with");
} else {
  const lines = complaints(main);
  for (const line of lines) console.error(line);
  process.exitCode = lines.length > 0 ? 1 : 0;
}

function complaints(before: MainBranch): string[] {
  const changes = [
    ...protobufChanges(before.archive("buf.yaml", "proto")),
    ...openApiChanges(parse(before.read(openApi)), parse(readFileSync(openApi, "utf8"))),
  ];
  // What the main branch states has happened there, and excuses nothing here.
  const earlier = statedChanges(before.read(changelog));
  const stated = statedChanges(readFileSync(changelog, "utf8")).filter((text) => !earlier.includes(text));
  const unstated = changes.filter(({ change }) => !stated.includes(change));
  const unmatched = stated.filter((text) => !changes.some(({ change }) => change === text));
  return [
    ...unstated.map(({ source, change, loss }) => `${source}: ${change}${loss && `; ${loss}`}`),
    ...unmatched.map((change) => `${changelog}: no change of the contracts is "${change}"`),
    ...(unstated.length > 0
      ? [`Undo what breaks clients, or state each change in ${changelog}, as CONTRIBUTING.md describes.`]
      : []),
  ];
}
