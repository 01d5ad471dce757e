import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";

/** The fields of a service that the tests read. */
export interface Service {
  readonly image: string;
  readonly build?: string | { readonly context: string; readonly target: string };
  readonly environment?: Readonly<Record<string, string>>;
  readonly command?: readonly string[];
  readonly healthcheck?: { readonly test: readonly string[] };
  readonly ports?: readonly string[];
  readonly secrets?: readonly string[];
  readonly volumes?: readonly string[];
  readonly read_only: boolean;
  readonly cap_drop: readonly string[];
  readonly security_opt: readonly string[];
  readonly stop_grace_period?: string;
}

/** A file or folder that a service mounts; `source` is relative to the root of the repository. */
export interface Mount {
  readonly source: string;
  readonly target: string;
  readonly mode: string | undefined;
}

/** The parsed file, with merge keys resolved. */
export interface Stack {
  readonly services: Readonly<
    Record<"gateway" | "sandbox" | "object-store" | "prometheus" | "grafana", Service>
  >;
  readonly secrets: Readonly<Record<string, { readonly file: string }>>;
  /** The bind mounts of all services. */
  readonly mounts: readonly Mount[];
}

export const composeFile = "deploy/compose.yaml";

export function readCompose(): Stack {
  const stack = parse(readFileSync(composeFile, "utf8"), { merge: true }) as Omit<Stack, "mounts">;
  const mounts = Object.values<Service>(stack.services)
    .flatMap(({ volumes = [] }) => volumes)
    .filter((volume) => /^\.\//.test(volume))
    .map((volume) => volume.split(":"))
    .map(([source = "", target = "", mode]) => ({ source: join("deploy", source), target, mode }));
  return { ...stack, mounts };
}

/** The environment of a service, without the prefixes of its names. */
export function settingsOf({ environment = {} }: Service): Record<string, string> {
  return Object.fromEntries(
    Object.entries(environment).map(([name, value]) => [name.replace(/^FOLDFORGE_[A-Z]+__/, ""), value]),
  );
}
