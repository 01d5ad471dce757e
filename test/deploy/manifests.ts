import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";
import { parse } from "yaml";

/** An object of the Kubernetes API. */
export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
  };
  readonly spec?: unknown;
  readonly data?: Readonly<Record<string, string>>;
}

const folder = "deploy/kubernetes";

/** The manifests in a folder by file name, without the kustomization. */
function manifestsIn(path: string): ReadonlyMap<string, Manifest> {
  const files = readdirSync(path).filter((file) => file.endsWith(".yaml") && file !== "kustomization.yaml");
  return new Map(files.map((file) => [file, parse(readFileSync(join(path, file), "utf8")) as Manifest]));
}

/** The manifests in deploy/kubernetes, without those of its components. */
export const manifests = manifestsIn(folder);

/** The manifests of the component for HTTPS. */
export const httpsManifests = manifestsIn(join(folder, "components/https"));

/** The manifest of the component for an Ingress. */
export const ingressManifests = manifestsIn(join(folder, "components/ingress"));

interface Model {
  validate(): void;
}
type Models = Record<string, new (object: Manifest) => Model>;

/** The spec of a manifest of this kind. */
export function specOf<T extends { spec?: unknown }>(manifest: Manifest | undefined): NonNullable<T["spec"]> {
  const { spec } = manifest ?? {};
  assert.ok(spec);
  return spec;
}

/** The packages with the schemas of custom resources, by API group. */
const packages: Readonly<Record<string, string>> = {
  "gateway.networking.k8s.io": "@kubernetes-models/gateway-api",
  "monitoring.coreos.com": "@kubernetes-models/prometheus-operator",
};

/** The package with the schemas of an API. */
function packageOf({ apiVersion }: Manifest): string {
  const [group = ""] = apiVersion.split("/");
  return `${packages[group] ?? "kubernetes-models"}/${apiVersion}`;
}

/** The first violation of the schema of its kind: a missing field, a wrong type or a wrong pattern. */
export async function schemaFault(manifest: Manifest): Promise<string | undefined> {
  const models = (await import(packageOf(manifest))) as Models;
  const model = models[manifest.kind];
  if (model === undefined) return `${manifest.apiVersion} has no ${manifest.kind}`;
  try {
    new model(manifest).validate();
    return undefined;
  } catch (error) {
    return String(error);
  }
}

/** Its source files are used again. */
let lastProgram: ts.Program | undefined;

/**
 * What the compiler says is wrong with manifests: a schema allows a field that it does not know, and the type
 * made from it does not.
 */
export function typeFaults(objects: readonly Manifest[]): string[] {
  const name = join(process.cwd(), "test/deploy/manifests-under-test.ts");
  const text = objects
    .map((object) => `(${JSON.stringify(object)}) satisfies import("${packageOf(object)}").I${object.kind};`)
    .join("\n");
  const options: ts.CompilerOptions = {
    module: ts.ModuleKind.NodeNext,
    noEmit: true,
    skipLibCheck: true,
    strict: true,
    types: [],
    // The types of the Kubernetes API need no more.
    lib: ["lib.es5.d.ts"],
  };
  const host = ts.createCompilerHost(options);
  const { getSourceFile } = host;
  host.getSourceFile = (file, ...rest) =>
    file === name ? ts.createSourceFile(file, text, ts.ScriptTarget.ESNext) : getSourceFile(file, ...rest);
  const program = ts.createProgram([name], options, host, lastProgram);
  lastProgram = program;
  return ts
    .getPreEmitDiagnostics(program)
    .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, "\n"));
}
