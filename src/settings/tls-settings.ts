import { pemFaults } from "../orchestrator/tls-pems.ts";
import type { TlsPems } from "../orchestrator/tls-pems.ts";
import type { ReadFile } from "./secret-files.ts";
import { readFault } from "./secret-files.ts";

/** The settings that name files for TLS with orchestrators. */
const names = {
  ca: "ORCHESTRATOR_CA_FILE",
  cert: "ORCHESTRATOR_CLIENT_CERT_FILE",
  key: "ORCHESTRATOR_CLIENT_KEY_FILE",
} as const satisfies Record<keyof TlsPems, string>;

type Part = keyof typeof names;
const parts = ["ca", "cert", "key"] as const;

/**
 * The files that the settings name, undefined where there are none, and what is wrong with them; no fault repeats a path
 * or what a file holds.
 */
export function tlsSettings(
  given: ReadonlyMap<string, string>,
  readFile: ReadFile,
): { files: TlsPems | undefined; faults: string[] } {
  const named = parts.filter((part) => given.has(names[part]));
  if (named.length === 0) return { files: undefined, faults: [] };
  const faults: string[] = [];
  const pems: { [part in Part]?: string } = {};
  for (const part of named) {
    try {
      pems[part] = readFile(given.get(names[part]) ?? "");
    } catch (error) {
      faults.push(`${names[part]} ${readFault(error)}`);
    }
  }
  for (const [part, fault] of Object.entries(pemFaults(pems)))
    faults.push(`${names[part as Part]} names a file that holds ${fault}`);
  for (const [one, other] of [
    ["cert", "key"],
    ["key", "cert"],
  ] as const) {
    if (given.has(names[one]) && !given.has(names[other]))
      faults.push(`${names[other]} must be set, since ${names[one]} is`);
  }
  return { files: Object.fromEntries(named.map((part) => [part, given.get(names[part])])), faults };
}
