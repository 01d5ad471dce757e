import { pemFaults } from "./tls-pems.ts";
import type { TlsPems } from "./tls-pems.ts";
import type { ReadFile } from "./secret-files.ts";
import { readFault } from "./secret-files.ts";

type Part = keyof TlsPems;
const parts = ["ca", "cert", "key"] as const satisfies Part[];

/** The settings that name the files for TLS with one kind of server. */
type TlsNames = Readonly<Partial<Record<Part, string>>>;

export const orchestratorTlsNames = {
  ca: "ORCHESTRATOR_CA_FILE",
  cert: "ORCHESTRATOR_CLIENT_CERT_FILE",
  key: "ORCHESTRATOR_CLIENT_KEY_FILE",
} as const satisfies TlsNames;

export const objectStoreTlsNames = { ca: "R2_CA_FILE" } as const satisfies TlsNames;

/**
 * The files that the settings with these names name, undefined where there are none, and what is wrong with them; no fault
 * repeats a path or what a file holds.
 */
export function tlsSettings(
  names: TlsNames,
  given: ReadonlyMap<string, string>,
  readFile: ReadFile,
): { files: TlsPems | undefined; faults: string[] } {
  const named = parts.flatMap((part) => {
    const name = names[part];
    const path = name === undefined ? undefined : given.get(name);
    return name === undefined || path === undefined ? [] : [{ part, name, path }];
  });
  if (named.length === 0) return { files: undefined, faults: [] };
  const faults: string[] = [];
  const pems: { [part in Part]?: string } = {};
  for (const { part, name, path } of named) {
    try {
      pems[part] = readFile(path);
    } catch (error) {
      faults.push(`${name} ${readFault(error)}`);
    }
  }
  const pemFault = pemFaults(pems);
  for (const { part, name } of named) {
    if (pemFault[part] !== undefined) faults.push(`${name} names a file that holds ${pemFault[part]}`);
  }
  for (const [one, other] of [
    [names.cert, names.key],
    [names.key, names.cert],
  ]) {
    if (one !== undefined && other !== undefined && given.has(one) && !given.has(other))
      faults.push(`${other} must be set, since ${one} is`);
  }
  return { files: Object.fromEntries(named.map(({ part, path }) => [part, path])), faults };
}
