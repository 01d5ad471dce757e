import { readFileSync } from "node:fs";

const dockerfile = readFileSync(new URL("../../Dockerfile", import.meta.url), "utf8");

const share = /^--max-old-space-size-percentage=(\d+)$/;

/**
 * Node's flags in the image, as the last CMD of its Dockerfile has them; for a process that is in no container, with the old
 * space that a container of `bytes` has.
 */
export function imageFlags(bytes?: number): string[] {
  const [, command = "[]"] =
    [...dockerfile.replaceAll("\\\n", "").matchAll(/^CMD (\[[^\]]*\])$/gm)].at(-1) ?? [];
  const flags = (JSON.parse(command) as string[]).filter((word) => word.startsWith("--"));
  if (bytes === undefined) return flags;
  return flags.map((flag) => {
    const [, percentage] = share.exec(flag) ?? [];
    if (percentage === undefined) return flag;
    return `--max-old-space-size=${Math.floor(((bytes / 1024 / 1024) * Number(percentage)) / 100)}`;
  });
}

/** The variables that tune the allocator of the image's processes. */
export function imageEnvironment(): Record<string, string> {
  return Object.fromEntries(
    [...dockerfile.matchAll(/^ENV (MALLOC_\w+)=(\S+)$/gm)].map(([, name = "", value = ""]) => [name, value]),
  );
}
