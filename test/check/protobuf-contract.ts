import { globSync } from "node:fs";
import { join, resolve } from "node:path";
import { createRegistry } from "@bufbuild/protobuf";
import type { DescFile, Registry } from "@bufbuild/protobuf";

const generated = resolve(import.meta.dirname, "../../generated/proto");

/** All types of the protobuf contract, from all of its files. */
export async function loadProtobufContract(): Promise<Registry> {
  const modules = await Promise.all(
    globSync("**/*_pb.js", { cwd: generated }).map(
      (file): Promise<Record<string, unknown>> => import(join(generated, file)),
    ),
  );
  return createRegistry(...modules.flatMap((module) => Object.values(module)).filter(isFile));
}

function isFile(value: unknown): value is DescFile {
  return typeof value === "object" && value !== null && "kind" in value && value.kind === "file";
}
