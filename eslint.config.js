import eslint from "@eslint/js";
import { defineConfig } from "eslint/config";
import tseslint from "typescript-eslint";

/**
 * The direction of imports: what each folder of src may import from, besides itself and packages. Where
 * `self` is false, its files do not import each other either.
 */
const layers = {
  errors: { may: ["generated"] },
  settings: { may: ["telemetry"] },
  telemetry: { may: [] },
  mapping: { may: ["generated", "contract"] },
  grpc: { may: ["telemetry"] },
  orchestrator: { may: ["generated", "grpc", "settings", "telemetry"] },
  artifacts: { may: ["generated", "errors", "load-shedding", "mapping", "telemetry"] },
  auth: { may: ["errors", "orchestrator", "telemetry"] },
  docs: { may: ["contract", "http"] },
  events: {
    may: ["auth", "errors", "generated", "grpc", "http", "load-shedding", "mapping", "orchestrator"],
  },
  validation: { may: ["contract", "errors"] },
  "load-shedding": { may: ["errors", "grpc", "telemetry"] },
  http: {
    may: [
      "auth",
      "contract",
      "errors",
      "grpc",
      "load-shedding",
      "mapping",
      "middleware",
      "operations",
      "orchestrator",
      "telemetry",
      "validation",
    ],
  },
  middleware: {
    may: ["auth", "contract", "errors", "grpc", "http", "orchestrator", "telemetry", "validation"],
    self: false,
  },
  handlers: {
    may: [
      "artifacts",
      "auth",
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
    ],
    self: false,
  },
  sandbox: { may: ["generated"] },
  demo: { may: ["generated"] },
};

const express = {
  group: ["express"],
  message: "Express stays in http, middleware and handlers.",
};
const transports = {
  group: ["@connectrpc/connect-node"],
  message: "Only src/grpc makes transports.",
};

const processModule = {
  group: ["process", "node:process"],
  message: "Only the entry points touch the process.",
};
const grpc = { regex: "/grpc/(?!index\\.ts$)", message: "Import src/grpc by its index.ts." };
const sandbox = { regex: "/sandbox/", message: "The sandbox and the gateway share nothing but generated/." };

/** A rule that allows relative imports of `may` and, unless `self` is false, of the folder's own files. */
function importRule(may, self, ...packages) {
  const allowed = may.map((layer) => `\\.\\./(\\.\\./)*${layer}(/|\\.ts$)`);
  const own = self ? ["\\./(?!.*\\.\\./)"] : [];
  const regex = `^(?!${[...allowed, ...own].join("|") || "$"})\\.`;
  const message = `This folder may import only: ${[...may, ...(self ? ["its own files"] : [])].join(", ") || "packages"}.`;
  return {
    "no-restricted-imports": ["error", { patterns: [{ regex, message }, processModule, ...packages] }],
  };
}

export default defineConfig(
  { ignores: ["generated/", "coverage/", "node_modules/"] },
  eslint.configs.recommended,
  {
    files: ["**/*.ts"],
    extends: [tseslint.configs.strictTypeChecked],
    languageOptions: { parserOptions: { projectService: true } },
    linterOptions: { reportUnusedDisableDirectives: "error" },
    rules: {
      // `return done(error)` leaves a function in one line; closures have no `this` to lose.
      "@typescript-eslint/no-confusing-void-expression": "off",
      "@typescript-eslint/unbound-method": "off",
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      "@typescript-eslint/no-unused-vars": [
        "error",
        { argsIgnorePattern: "^_", destructuredArrayIgnorePattern: "^_" },
      ],
    },
  },
  {
    files: ["src/**/*.ts"],
    ignores: ["src/main.ts", "src/sandbox/{main,dev}.ts", "src/demo/main.ts"],
    rules: {
      "no-restricted-globals": [
        "error",
        { globals: [{ name: "process", message: processModule.message }], checkGlobalObject: true },
      ],
      "no-restricted-syntax": [
        "error",
        {
          selector: "ImportExpression, TSImportType",
          message: "Import at the top, where the direction is checked.",
        },
      ],
    },
  },
  {
    files: ["src/*.ts"],
    rules: { "no-restricted-imports": ["error", { patterns: [transports, sandbox, grpc, processModule] }] },
  },
  // A folder that is not among the layers may import nothing of ours but its own files.
  { files: ["src/*/**/*.ts"], rules: importRule([], true, express, transports) },
  ...Object.entries(layers).map(([layer, { may, self = true }]) => ({
    files: [`src/${layer}/**/*.ts`],
    rules: importRule(
      may,
      self,
      ...(["http", "middleware", "handlers", "sandbox"].includes(layer) ? [] : [express]),
      ...(["grpc", "sandbox"].includes(layer) ? [] : [transports]),
      grpc,
    ),
  })),
  {
    files: ["src/sandbox/*/*.ts"],
    rules: {
      "no-restricted-imports": [
        "error",
        {
          patterns: [
            { regex: "^\\.\\./\\.\\./(?!\\.\\./generated/)", message: sandbox.message },
            processModule,
          ],
        },
      ],
    },
  },
  {
    files: ["test/**/*.ts"],
    rules: {
      // What a test reads from JSON is checked by its assertions.
      "@typescript-eslint/no-non-null-assertion": "off",
      "@typescript-eslint/no-unsafe-assignment": "off",
      "@typescript-eslint/no-unsafe-member-access": "off",
      "@typescript-eslint/no-unsafe-argument": "off",
      "@typescript-eslint/no-unsafe-return": "off",
      "@typescript-eslint/no-unsafe-call": "off",
      // These two take a quarter of the time of all rules.
      "@typescript-eslint/no-unsafe-enum-assignment": "off",
      "@typescript-eslint/no-unsafe-class-instance-assignment": "off",
    },
  },
);
