import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { IDeployment } from "kubernetes-models/apps/v1";
import type { INetworkPolicy } from "kubernetes-models/networking.k8s.io/v1";
import { parse, parseAllDocuments } from "yaml";
import { parseSettings } from "../../src/settings/settings.ts";
import { blocks, operatorsPage, section } from "../support/readme.ts";
import { manifests, schemaFault, typeFaults } from "./manifests.ts";
import type { Manifest } from "./manifests.ts";
import { createWorkplace } from "./workplace.ts";

const [build = ""] = blocks("sh", section("Container", operatorsPage));
const [compose = ""] = blocks("sh", section("Docker Compose", operatorsPage));
const [apply = "", watch = ""] = blocks("sh", section("Kubernetes", operatorsPage));
const [overlay = ""] = blocks("yaml", section("Kubernetes", operatorsPage));
const secrets = ["access-key-id", "api-token", "secret-access-key"];

/** Says what it would do instead of asking a cluster. */
const printingKubectl = `#!/bin/sh
echo ---
case "$*" in
  *create*) exec REAL "$@" --dry-run=client --output yaml ;;
  "apply --kustomize "*) exec REAL kustomize "$3" ;;
  *"apply --filename "*) exec cat "$5" ;;
esac
exit 9
`;

describe("deploy/README.md: the commands for Docker", () => {
  const docker = { docker: '#!/bin/sh\nprintf "%s\\n" "$@"\n' };

  it("name files that are there, and build the version of the package", async () => {
    using place = createWorkplace(docker);
    const { version } = JSON.parse(readFileSync("package.json", "utf8"));
    const said = (await place.sh(build)).trim().split("\n");
    assert.deepEqual(said, [
      "build",
      "--file",
      "deploy/Dockerfile",
      "--tag",
      `foldforge-gateway:${version}`,
      ".",
    ]);
    assert.ok(existsSync(join(place.path, "deploy/Dockerfile")));
  });

  it("make each secret anew before they start all of it", async () => {
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

describe("deploy/README.md: the commands for Kubernetes", function () {
  let kubectl = "";
  before("find kubectl", function () {
    kubectl = spawnSync("sh", ["-c", "command -v kubectl"], { encoding: "utf8" }).stdout.trim();
    if (kubectl !== "") return;
    console.log("    skipped: kubectl is not installed");
    this.skip();
  });

  /** What the lines would make the cluster hold. */
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

  async function assertValid(objects: readonly Manifest[]): Promise<void> {
    for (const object of objects) assert.equal(await schemaFault(object), undefined);
    assert.deepEqual(typeFaults(objects), []);
  }

  const ofKind = (objects: readonly Manifest[], kind: string) =>
    objects.find((object) => object.kind === kind);

  it("apply what the API allows, all in one namespace, with every secret that the gateways mount", async () => {
    const [namespace, secret, ...objects] = await objectsOf(apply);
    assert.ok(namespace && secret);
    await assertValid(objects);
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

  it("take what an overlay says over what the kustomization has", async () => {
    const plain = await objectsOf("kubectl apply --kustomize deploy/kubernetes");
    const objects = await objectsOf("kubectl apply --kustomize overlay");
    await assertValid(objects);
    assert.deepEqual(
      objects.map(({ kind, metadata }) => [kind, metadata.namespace]),
      plain.map(({ kind, metadata }) => [kind, metadata.namespace]),
    );
    const { image } = (ofKind(objects, "Deployment") as IDeployment).spec!.template.spec!.containers[0]!;
    assert.match(image ?? "", /^registry\.example\/foldforge-gateway:\d/);
    const given = (from: readonly Manifest[]) => ofKind(from, "ConfigMap")?.data ?? {};
    const { settings, warnings } = parseSettings(given(objects), () => "secret");
    assert.deepEqual(warnings, []);
    assert.ok(settings.objectStore);
    for (const name of Object.keys(given(plain))) assert.ok(name in given(objects), name);
  });

  it("let the gateways out to every place that the settings of the overlay name", async () => {
    const objects = await objectsOf("kubectl apply --kustomize overlay");
    const { egress } = (ofKind(objects, "NetworkPolicy") as INetworkPolicy).spec!;
    const open = egress?.flatMap(({ ports = [] }) => ports.map(({ port }) => port));
    const settings = Object.values(ofKind(objects, "ConfigMap")?.data ?? {});
    const named = settings.flatMap((value) => URL.parse(value) ?? []);
    assert.equal(named.length, 3);
    for (const { port, href } of named) assert.ok(open?.includes(Number(port || 443)), href);
  });

  it("give the Prometheus Operator what it allows, the alerts among it", async () => {
    const objects = await objectsOf(watch);
    await assertValid(objects);
    assert.deepEqual(
      objects.map(({ kind }) => kind),
      ["ServiceMonitor", "PrometheusRule"],
    );
    assert.deepEqual(objects[1]?.spec, parse(readFileSync("deploy/prometheus/alerts.yaml", "utf8")));
  });
});
