import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { parse } from "yaml";
import type { IDeployment } from "kubernetes-models/apps/v1";
import type { IHorizontalPodAutoscaler, IMetricSpec } from "kubernetes-models/autoscaling/v2";
import type { IIngress, INetworkPolicy } from "kubernetes-models/networking.k8s.io/v1";
import type { IPodDisruptionBudget } from "kubernetes-models/policy/v1";
import type { IService } from "kubernetes-models/v1";
import type { IGateway, IHTTPRoute } from "@kubernetes-models/gateway-api/gateway.networking.k8s.io/v1";
import type { IServiceMonitor } from "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1";
import { prefix } from "../../src/settings/schema.ts";
import { parseSettings } from "../../src/settings/settings.ts";
import { loadContract } from "../../src/contract.ts";
import { readDockerfile } from "./dockerfile.ts";
import { readPage } from "../support/pages.ts";
import { httpsManifests, ingressManifests, manifests, schemaFault, specOf, typeFaults } from "./manifests.ts";

const deployment = specOf<IDeployment>(manifests.get("deployment.yaml"));
const service = specOf<IService>(manifests.get("service.yaml"));
const networkPolicy = specOf<INetworkPolicy>(manifests.get("network-policy.yaml"));
const disruptionBudget = specOf<IPodDisruptionBudget>(manifests.get("pod-disruption-budget.yaml"));
const autoscaler = specOf<IHorizontalPodAutoscaler>(manifests.get("horizontal-pod-autoscaler.yaml"));
const monitor = specOf<IServiceMonitor>(manifests.get("service-monitor.yaml"));
const kustomization = parse(readFileSync("deploy/kubernetes/kustomization.yaml", "utf8"));

const pod = deployment.template.spec!;
const container = pod.containers[0]!;
const env = Object.fromEntries(
  kustomization.configMapGenerator[0].literals.map((literal: string) => literal.split(/=(.*)/s)),
) as Record<string, string>;

/** The parsed settings of the gateways, with the same text for each mounted secret. */
function parsed() {
  const mounted = container.volumeMounts?.find(({ name }) => name === "secrets")?.mountPath;
  return parseSettings(env, (path) => {
    assert.ok(path.startsWith(`${mounted}/`), path);
    return "secret";
  });
}

describe("deploy/kubernetes", () => {
  for (const [file, object] of [...manifests, ...httpsManifests, ...ingressManifests])
    it(`matches in ${file} the schema of a ${object.kind}`, async () => {
      assert.equal(await schemaFault(object), undefined);
    });

  it("has no unknown field", () => {
    const mistaken = { ...manifests.get("deployment.yaml")!, spec: { ...deployment, replica: 2 } };
    const components = [...httpsManifests.values(), ...ingressManifests.values()];
    const [fault = "", ...others] = typeFaults([...manifests.values(), ...components, mistaken]);
    assert.match(fault, /replica.* does not exist/);
    assert.deepEqual(others, []);
  });

  it("lists every file except that of the Prometheus Operator", () => {
    const listed: string[] = kustomization.resources;
    assert.deepEqual([...listed, "service-monitor.yaml"].sort(), [...manifests.keys()].sort());
  });

  it("has valid settings for the gateways, with secrets from files only", () => {
    const { settings, warnings } = parsed();
    assert.deepEqual(warnings, []);
    assert.deepEqual(settings.apiTokens, ["secret"]);
    for (const name of ["API_TOKEN", "R2_ACCESS_KEY_ID", "R2_SECRET_ACCESS_KEY"]) {
      assert.ok(!(prefix + name in env));
      assert.ok(`${prefix}${name}_FILE` in env);
    }
    assert.ok([...manifests.values()].every(({ kind }) => kind !== "Secret"));
    assert.equal(container.envFrom?.[0]?.configMapRef?.name, kustomization.configMapGenerator[0].name);
  });

  it("runs the version of the package", () => {
    const { version } = JSON.parse(readFileSync("package.json", "utf8"));
    assert.deepEqual(kustomization.images, [{ name: container.image, newTag: version }]);
  });

  it("names the port of the gateway in the same way everywhere", () => {
    const { port } = parsed().settings.bind;
    assert.deepEqual(container.ports?.[0], { name: "http", containerPort: port });
    assert.equal(service.ports?.[0]?.targetPort, "http");
    assert.equal(networkPolicy.ingress?.[0]?.ports?.[0]?.port, "http");
    assert.equal(port, readDockerfile().port);
  });

  it("serves the metrics on a port for pods of the cluster, without a Service", () => {
    const { metricsBind } = parsed().settings;
    assert.deepEqual(container.ports?.slice(1), [{ name: "metrics", containerPort: metricsBind?.port }]);
    assert.equal(service.ports?.length, 1);
    assert.deepEqual(monitor.endpoints, [{ targetPort: "metrics", path: "/metrics", interval: "15s" }]);
    assert.deepEqual(networkPolicy.ingress?.slice(1), [
      { from: [{ namespaceSelector: {} }], ports: [{ port: "metrics" }] },
    ]);
  });

  it("probes routes without a token, and readiness by readyz", () => {
    const open = loadContract().paths.flatMap(({ operations }) =>
      operations.filter(({ secured }) => !secured),
    );
    const { startupProbe, livenessProbe, readinessProbe } = container;
    const probed = [startupProbe, livenessProbe, readinessProbe].map((probe) => {
      const { path, port } = probe?.httpGet ?? {};
      assert.equal(port, "http");
      return open.find(({ method, template }) => method === "get" && template === path)?.id;
    });
    assert.deepEqual(probed, ["healthz", "healthz", "readyz"]);
    assert.ok(open.some(({ template }) => template === monitor.endpoints[0]?.path));
  });

  it("stops a gateway after preStop, and kills it after its grace", () => {
    const { shutdownGraceMs, drainDelayMs } = parsed().settings;
    // The image has no program to wait with.
    const { seconds } = container.lifecycle!.preStop!.sleep!;
    assert.ok(seconds > 0);
    assert.ok(pod.terminationGracePeriodSeconds! > seconds + shutdownGraceMs / 1000);
    assert.ok(drainDelayMs > 0);
  });

  it("drops all privileges of the gateways", () => {
    const [runAsUser, runAsGroup] = readDockerfile().user.split(":").map(Number);
    assert.deepEqual(pod.securityContext, {
      runAsNonRoot: true,
      runAsUser,
      runAsGroup,
      seccompProfile: { type: "RuntimeDefault" },
    });
    assert.deepEqual(container.securityContext, {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ["ALL"] },
    });
    assert.equal(pod.automountServiceAccountToken, false);
    assert.ok(container.resources?.limits?.["memory"]);
  });

  it("selects the gateways by their labels everywhere", () => {
    const labels = deployment.template.metadata?.labels;
    assert.deepEqual(labels, { "app.kubernetes.io/name": "foldforge-gateway" });
    const selectors = [
      deployment.selector.matchLabels,
      service.selector,
      disruptionBudget.selector?.matchLabels,
      networkPolicy.podSelector?.matchLabels,
      ...(pod.topologySpreadConstraints ?? []).map(({ labelSelector }) => labelSelector?.matchLabels),
    ];
    for (const selector of selectors) assert.deepEqual(selector, labels);
    assert.deepEqual(monitor.selector.matchLabels, manifests.get("service.yaml")?.metadata.labels);
    const { kind, name } = autoscaler.scaleTargetRef;
    assert.deepEqual([kind, name], ["Deployment", manifests.get("deployment.yaml")?.metadata.name]);
    assert.equal(deployment.replicas, undefined);
  });

  it("scales on event streams, with the component for it, before a replica has as many as it may", () => {
    const file = "deploy/kubernetes/components/event-stream-autoscaling/kustomization.yaml";
    const { patches } = parse(readFileSync(file, "utf8")) as {
      patches: { target: { kind: string; name: string }; patch: string }[];
    };
    const [{ target, patch }] = patches as [(typeof patches)[0]];
    const { kind, metadata } = manifests.get("horizontal-pod-autoscaler.yaml")!;
    assert.deepEqual(target, { kind, name: metadata.name });
    const [{ path, value }] = parse(patch) as [{ path: string; value: IMetricSpec }];
    assert.equal(path, "/spec/metrics/-");
    assert.ok(readPage("docs/monitoring.md").includes(`| \`${value.pods?.metric.name}\` `));
    const most = parsed().settings.maxEventStreams;
    assert.ok(Number(value.pods?.target.averageValue) <= 0.7 * most);
  });
});

describe("deploy/kubernetes/components/https", () => {
  const { listeners } = specOf<IGateway>(httpsManifests.get("gateway.yaml"));
  const route = specOf<IHTTPRoute>(httpsManifests.get("http-route.yaml"));
  const redirect = specOf<IHTTPRoute>(httpsManifests.get("redirect-route.yaml"));

  it("routes HTTPS to the Service of the gateways, without a timeout for event streams", () => {
    const [{ backendRefs, timeouts, matches }] = route.rules as [NonNullable<typeof route.rules>[0]];
    const { name } = manifests.get("service.yaml")!.metadata;
    assert.deepEqual(backendRefs, [{ name, port: service.ports?.[0]?.port }]);
    assert.deepEqual(timeouts, { request: "0s" });
    assert.equal(matches, undefined);
    assert.equal(listeners.find(({ name: listener }) => listener === "https")?.protocol, "HTTPS");
  });

  it("has one route for each listener", () => {
    const gateway = httpsManifests.get("gateway.yaml")?.metadata.name;
    assert.deepEqual(
      [route, redirect].flatMap(({ parentRefs }) => parentRefs),
      listeners.map(({ name }) => ({ name: gateway, sectionName: name })),
    );
    assert.deepEqual(
      redirect.rules?.flatMap(({ filters = [] }) => filters.map((filter) => filter.requestRedirect?.scheme)),
      ["https"],
    );
  });

  it("lists every file", () => {
    const text = readFileSync("deploy/kubernetes/components/https/kustomization.yaml", "utf8");
    assert.deepEqual(parse(text).resources.toSorted(), [...httpsManifests.keys()].toSorted());
  });
});

describe("deploy/kubernetes/components/ingress", () => {
  const { rules = [], tls = [] } = specOf<IIngress>(ingressManifests.get("ingress.yaml"));

  it("routes every path of its host to the Service of the gateways, with TLS", () => {
    const { name } = manifests.get("service.yaml")!.metadata;
    const port = { name: service.ports?.[0]?.name };
    const backend = { service: { name, port } };
    assert.deepEqual(
      rules.map(({ http }) => http),
      [{ paths: [{ path: "/", pathType: "Prefix", backend }] }],
    );
    assert.deepEqual(
      tls.flatMap(({ hosts }) => hosts),
      rules.map(({ host }) => host),
    );
  });

  it("lists every file", () => {
    const text = readFileSync("deploy/kubernetes/components/ingress/kustomization.yaml", "utf8");
    assert.deepEqual(parse(text).resources, [...ingressManifests.keys()]);
  });
});
