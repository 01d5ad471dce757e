import { dirname, relative, resolve, sep } from "node:path";

/**
 * The direction of imports: what each folder of src may import from, besides itself and packages. A folder
 * that is not listed may import nothing of ours but its own files.
 */
const layers: Readonly<Record<string, readonly string[]>> = {
  errors: ["generated"],
  settings: ["nearest-name", "node-http", "telemetry"],
  telemetry: [],
  otlp: ["grpc", "telemetry"],
  mapping: ["generated", "contract"],
  grpc: ["telemetry"],
  orchestrator: ["generated", "grpc", "settings", "telemetry"],
  artifacts: ["generated", "errors", "load-shedding", "mapping", "node-http", "telemetry"],
  auth: ["errors", "orchestrator", "telemetry"],
  billing: ["errors"],
  docs: ["contract", "http"],
  events: ["auth", "errors", "generated", "grpc", "http", "load-shedding", "mapping", "orchestrator"],
  validation: ["contract", "errors", "nearest-name"],
  "load-shedding": ["errors", "grpc", "telemetry"],
  http: [
    "auth",
    "contract",
    "errors",
    "grpc",
    "load-shedding",
    "mapping",
    "middleware",
    "nearest-name",
    "node-http",
    "operations",
    "orchestrator",
    "telemetry",
    "validation",
  ],
  middleware: ["auth", "contract", "errors", "grpc", "http", "orchestrator", "telemetry", "validation"],
  handlers: [
    "artifacts",
    "auth",
    "billing",
    "contract",
    "docs",
    "errors",
    "events",
    "grpc",
    "http",
    "load-shedding",
    "mapping",
    "orchestrator",
    "telemetry",
    "validation",
  ],
  sandbox: ["generated"],
  demo: ["generated"],
};

/** The folders whose files do not import each other either. */
const unconnected = new Set(["middleware", "handlers"]);

/** The folders of src that may import each of these packages; "" is src itself. */
const restrictedPackages: Readonly<Record<string, { folders: readonly string[]; message: string }>> = {
  express: {
    folders: ["", "http", "middleware", "handlers", "sandbox"],
    message: "Express stays in http, middleware and handlers.",
  },
  "@connectrpc/connect-node": {
    folders: ["grpc", "sandbox"],
    message: "Only src/grpc makes transports.",
  },
  stripe: { folders: ["billing"], message: "Only src/billing knows Stripe's library." },
  process: { folders: [], message: "Only the entry points touch the process." },
};

/** Programs of their own, which share nothing but generated code with the gateway. */
const programs = new Set(["sandbox", "demo"]);

/** A path below src or generated, without `.ts`; undefined for any other file. */
function nameOf(path: string, root: string): string | undefined {
  const name = relative(root, path).split(sep).join("/").replace(/\.ts$/, "");
  if (name.startsWith("generated/")) return name;
  return name.startsWith("src/") ? name.slice("src/".length) : undefined;
}

function folderOf(name: string): string {
  return name.includes("/") ? name.slice(0, name.indexOf("/")) : "";
}

/** Why a file of `folder` may not import this package, if it may not. */
function objectionToPackage(folder: string, specifier: string): string | undefined {
  const restriction = restrictedPackages[specifier.replace(/^node:/, "")];
  return restriction?.folders.includes(folder) === false ? restriction.message : undefined;
}

/** A layer within a folder: it imports nothing of ours but its own files, and others import its `index.ts`. */
const innerLayer = "grpc/http2/";

/** Why the file `name` may not import the file `target`, if it may not. */
function objectionToFile(name: string, target: string | undefined): string | undefined {
  const folder = folderOf(name);
  const isInner = name.startsWith(innerLayer);
  const isTargetInner = target?.startsWith(innerLayer) === true;
  if (isInner ? !isTargetInner : isTargetInner && target !== `${innerLayer}index`)
    return "src/grpc/http2 imports only its own files, and is imported by its index.ts.";
  if (target === undefined) return "Files of src import nothing of ours but src and generated/.";
  const targetFolder = folderOf(target);
  const mayImportOwn = !unconnected.has(folder);
  if (folder === targetFolder && mayImportOwn) return undefined;
  if (programs.has(targetFolder))
    return "The sandbox, the demo and the gateway share nothing but generated/.";
  if (targetFolder === "grpc" && target !== "grpc/index") return "Import src/grpc by its index.ts.";
  if (folder === "") return undefined;
  const may = layers[folder] ?? [];
  if (may.includes(targetFolder === "" ? target : targetFolder)) return undefined;
  return `This folder may import only: ${[...may, ...(mayImportOwn ? ["its own files"] : [])].join(", ")}.`;
}

/** An import or export of another module, or `import()`, whose source need not be a literal. */
interface ImportNode {
  readonly source: { readonly value?: unknown } | null;
}

interface RuleContext {
  readonly cwd: string;
  readonly filename: string;
  report(problem: { node: ImportNode; message: string }): void;
}

/** A plugin of oxlint with one rule, for the files of src. */
export default {
  meta: { name: "imports" },
  rules: {
    direction: {
      create({ cwd, filename, report }: RuleContext) {
        const name = nameOf(filename, cwd);
        if (name === undefined) return {};
        const folder = folderOf(name);
        const objectionTo = (specifier: unknown) => {
          if (typeof specifier !== "string")
            return "Name the module in a literal, so that it can be checked.";
          if (!specifier.startsWith(".")) return objectionToPackage(folder, specifier);
          return objectionToFile(name, nameOf(resolve(dirname(filename), specifier), cwd));
        };
        const check = (node: ImportNode) => {
          const message = node.source === null ? undefined : objectionTo(node.source.value);
          if (message !== undefined) report({ node, message });
        };
        return {
          ImportDeclaration: check,
          ExportNamedDeclaration: check,
          ExportAllDeclaration: check,
          ImportExpression: check,
          TSImportType: check,
        };
      },
    },
  },
};
