import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { IDeployment } from "kubernetes-models/apps/v1";
import type { INetworkPolicy } from "kubernetes-models/networking.k8s.io/v1";
import { parse, parseAllDocuments } from "yaml";
import { parseSettings } from "../../src/settings/settings.ts";
import { manifests, schemaFault, typeFaults } from "../deploy/manifests.ts";
import type { Manifest } from "../deploy/manifests.ts";
import { createWorkplace } from "../deploy/workplace.ts";
import { blocks, code, readPage, rows, section } from "../support/pages.ts";

const page = readPage("docs/operating.md");
const [build = ""] = blocks(section(page, "Container"), "sh");
const [compose = ""] = blocks(section(page, "Docker Compose"), "sh");
const [apply = "", watch = ""] = blocks(section(page, "Kubernetes"), "sh");
const [overlay = ""] = blocks(section(page, "Kubernetes"), "yaml");
const secrets = ["access-key-id", "api-token", "secret-access-key"];

/** Prints what it would send to a cluster. */
const printingKubectl = `#!/bin/sh
echo ---
case "$*" in
  *create*) exec REAL "$@" --dry-run=client --output yaml ;;
  "apply --kustomize "*) exec REAL kustomize "$3" ;;
  *"apply --filename "*) exec cat "$5" ;;
esac
exit 9
`;

describe("docs/operating.md: the commands for Docker", () => {
  const docker = { docker: '#!/bin/sh\nprintf "%s\\n" "$@"\n' };

  it("build the version of the package from files that exist", async () => {
    using place = createWorkplace(docker);
    const { version } = JSON.parse(readFileSync("package.json", "utf8"));
    const said = (await place.sh(build)).trim().split("\n");
    assert.deepEqual(said, ["build", "--tag", `foldforge-gateway:${version}`, "."]);
    assert.ok(existsSync("Dockerfile"));
  });

  it("create each secret and then start everything", async () => {
    using place = createWorkplace(docker);
    const said = (await place.sh(compose)).trim().split("\n");
    assert.deepEqual(said.slice(0, 4), ["compose", "--file", "deploy/compose.yaml", "up"]);
    const folder = join(place.path, "deploy/secrets");
    assert.deepEqual(readdirSync(folder).sort(), secrets);
    const values = secrets.map((name) => readFileSync(join(folder, name), "utf8"));
    for (const value of values) assert.match(value, /^[0-9a-f]{40}$/);
    assert.equal(new Set(values).size, secrets.length);
  });
});

describe("docs/operating.md: the commands for Kubernetes", function () {
  let kubectl = "";
  before("find kubectl", function () {
    kubectl = spawnSync("sh", ["-c", "command -v kubectl"], { encoding: "utf8" }).stdout.trim();
    if (kubectl !== "") return;
    console.log("    skipped: kubectl is not installed");
    this.skip();
  });

  /** The objects that the commands would create in a cluster. */
  async function objectsOf(lines: string): Promise<Manifest[]> {
    using place = createWorkplace({
      docker: "#!/bin/sh\n",
      kubectl: printingKubectl.replaceAll("REAL", kubectl),
    });
    mkdirSync(join(place.path, "overlay"));
    writeFileSync(join(place.path, "overlay/kustomization.yaml"), overlay);
    await place.sh(compose);
    const documents = parseAllDocuments(await place.sh(lines));
    return documents
      .map((document) => document.toJS() as Manifest | null)
      .filter((object) => object !== null);
  }

  const matched: Manifest[] = [];
  async function assertMatchSchemas(objects: readonly Manifest[]): Promise<void> {
    for (const object of objects) assert.equal(await schemaFault(object), undefined);
    matched.push(...objects);
  }

  const ofKind = (objects: readonly Manifest[], kind: string) =>
    objects.find((object) => object.kind === kind);

  it("apply valid objects in one namespace, with every secret that the gateways mount", async () => {
    const [namespace, secret, ...objects] = await objectsOf(apply);
    assert.ok(namespace && secret);
    await assertMatchSchemas(objects);
    // The settings come with the kustomization, the ServiceMonitor without.
    assert.equal(objects.length, manifests.size);
    for (const { metadata } of [secret, ...objects])
      assert.equal(metadata.namespace, namespace.metadata.name);

    const { spec } = ofKind(objects, "Deployment") as IDeployment;
    const { volumes, containers } = spec!.template.spec!;
    const settings = ofKind(objects, "ConfigMap");
    assert.equal(containers[0]?.envFrom?.[0]?.configMapRef?.name, settings?.metadata.name);
    assert.equal(volumes?.[0]?.secret?.secretName, secret.metadata.name);
    assert.deepEqual(Object.keys(secret.data ?? {}).sort(), secrets);
    const files = Object.entries(settings?.data ?? {}).filter(([name]) => name.endsWith("_FILE"));
    assert.deepEqual(
      files.map(([, file]) => file).sort(),
      secrets.map((name) => `${containers[0]?.volumeMounts?.[0]?.mountPath}/${name}`),
    );
  });

  it("let an overlay override the settings of the kustomization", async () => {
    const plain = await objectsOf("kubectl apply --kustomize deploy/kubernetes");
    const objects = await objectsOf("kubectl apply --kustomize overlay");
    await assertMatchSchemas(objects);
    assert.deepEqual(
      objects.map(({ kind, metadata }) => [kind, metadata.namespace]),
      plain.map(({ kind, metadata }) => [kind, metadata.namespace]),
    );
    const { image } = (ofKind(objects, "Deployment") as IDeployment).spec!.template.spec!.containers[0]!;
    const { version } = JSON.parse(readFileSync("package.json", "utf8"));
    assert.equal(image, `ghcr.io/foldforge/gateway:v${version}`);
    const given = (from: readonly Manifest[]) => ofKind(from, "ConfigMap")?.data ?? {};
    const { settings, warnings } = parseSettings(given(objects), () => "secret");
    assert.deepEqual(warnings, []);
    assert.ok(settings.objectStore);
    for (const name of Object.keys(given(plain))) assert.ok(name in given(objects), name);
  });

  it("let the gateways reach every endpoint that the overlay names", async () => {
    const objects = await objectsOf("kubectl apply --kustomize overlay");
    const { egress } = (ofKind(objects, "NetworkPolicy") as INetworkPolicy).spec!;
    const open = egress?.flatMap(({ ports = [] }) => ports.map(({ port }) => port));
    const settings = Object.values(ofKind(objects, "ConfigMap")?.data ?? {});
    const named = settings.flatMap((value) => URL.parse(value) ?? []);
    assert.equal(named.length, 3);
    for (const { port, href } of named) assert.ok(open?.includes(Number(port || 443)), href);
  });

  it("give the Prometheus Operator valid objects, the alerts among them", async () => {
    const objects = await objectsOf(watch);
    await assertMatchSchemas(objects);
    assert.deepEqual(
      objects.map(({ kind }) => kind),
      ["ServiceMonitor", "PrometheusRule"],
    );
    assert.deepEqual(objects[1]?.spec, parse(readFileSync("deploy/prometheus/alerts.yaml", "utf8")));
  });

  it("have no unknown field in any object", () => {
    assert.ok(matched.length > 0);
    assert.deepEqual(typeFaults(matched), []);
  });
});

describe("docs/operating.md: the sizing", () => {
  it("has the figures of the benchmark", () => {
    const figures = readPage("test/bench/README.md");
    const costs = rows(section(page, "Sizing"), /^(?!work|-)/).map(([, cost = ""]) => cost);
    assert.ok(costs.length > 4);
    for (const cost of costs) {
      const [, from = "", to = ""] = /([\d.]+) to ([\d.]+) /.exec(cost) ?? [];
      assert.ok(figures.includes(`${from}–${to}`), cost);
    }
  });
});

describe("docs/operating.md: the exit codes", () => {
  it("are those of the gateway", () => {
    const main = readFileSync("src/main.ts", "utf8");
    const [, crashed = ""] = /crashExitCode = (\d+)/.exec(main) ?? [];
    const table = rows(section(page, "Stopping"), /^\d+$/);
    assert.deepEqual(
      table.map(([exit]) => exit),
      ["0", "1", crashed],
    );
    for (const event of table.flatMap(([, line]) => code(line)))
      assert.ok(main.includes(`"${event}"`), event);
  });
});
