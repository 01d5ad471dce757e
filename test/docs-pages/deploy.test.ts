import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { IDeployment } from "kubernetes-models/apps/v1";
import type { IHorizontalPodAutoscaler } from "kubernetes-models/autoscaling/v2";
import type { IGateway } from "@kubernetes-models/gateway-api/gateway.networking.k8s.io/v1";
import { parseAllDocuments } from "yaml";
import { parseSettings } from "../../src/settings/settings.ts";
import { httpsManifests, manifests, schemaFault, specOf, typeFaults } from "../deploy/manifests.ts";
import type { Manifest } from "../deploy/manifests.ts";
import { createWorkplace } from "../deploy/workplace.ts";
import { blocks, readPage, section } from "../support/pages.ts";

const [overlay = ""] = blocks(section(readPage("deploy/README.md"), "Several installations"), "yaml");
const secrets = ["access-key-id", "api-token", "secret-access-key"];

describe("deploy/README.md: the overlay of an installation", () => {
  let objects: Manifest[] = [];
  before("render it", async function () {
    if (spawnSync("kubectl", ["version", "--client"]).status !== 0) {
      console.log("    skipped: kubectl is not installed");
      return this.skip();
    }
    using place = createWorkplace({});
    const folder = join(place.path, "staging");
    mkdirSync(join(folder, "secrets"), { recursive: true });
    writeFileSync(join(folder, "kustomization.yaml"), overlay);
    for (const name of secrets) writeFileSync(join(folder, "secrets", name), `value-of-${name}`);
    const documents = parseAllDocuments(await place.sh("kubectl kustomize staging"));
    objects = documents.map((document) => document.toJS() as Manifest);
  });

  const ofKind = (kind: string) => objects.find((object) => object.kind === kind);

  it("makes valid objects in its own namespace, of the base and both components", async () => {
    for (const object of objects) {
      assert.equal(await schemaFault(object), undefined);
      assert.equal(object.metadata.namespace, "foldforge-staging");
    }
    assert.deepEqual(typeFaults(objects), []);
    // The ServiceMonitor is not in the base; settings and secrets are generated.
    assert.equal(objects.length, manifests.size - 1 + httpsManifests.size + 2);
  });

  it("has image, settings and secrets of its own", () => {
    const { template } = specOf<IDeployment>(ofKind("Deployment"));
    const [container] = template.spec!.containers;
    assert.match(container?.image ?? "", /^ghcr\.io\/foldforge\/gateway:v\d/);
    const settings = ofKind("ConfigMap");
    assert.equal(container?.envFrom?.[0]?.configMapRef?.name, settings?.metadata.name);
    const secret = ofKind("Secret");
    assert.equal(template.spec!.volumes?.[0]?.secret?.secretName, secret?.metadata.name);
    assert.match(secret?.metadata.name ?? "", /^foldforge-gateway-\w+$/);
    assert.deepEqual(Object.keys(secret?.data ?? {}).toSorted(), secrets);
    const parsed = parseSettings(settings?.data ?? {}, () => "secret");
    assert.deepEqual(parsed.warnings, []);
    assert.equal(parsed.settings.objectStore?.bucket, "staging");
  });

  it("has class, host name and number of replicas of its own, and scales on two metrics", () => {
    const { gatewayClassName, listeners } = specOf<IGateway>(ofKind("Gateway"));
    assert.equal(gatewayClassName, "envoy");
    assert.equal(listeners.find(({ name }) => name === "https")?.hostname, "staging.example.com");
    const { minReplicas, maxReplicas, metrics } = specOf<IHorizontalPodAutoscaler>(
      ofKind("HorizontalPodAutoscaler"),
    );
    assert.deepEqual([minReplicas, maxReplicas], [1, 2]);
    assert.deepEqual(
      metrics?.map(({ type }) => type),
      ["Resource", "Pods"],
    );
  });
});
