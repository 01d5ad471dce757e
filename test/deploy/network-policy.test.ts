import assert from "node:assert/strict";
import { BlockList, isIPv6 } from "node:net";
import type { INetworkPolicy } from "kubernetes-models/networking.k8s.io/v1";
import { manifests, specOf } from "./manifests.ts";

const { ingress = [], egress = [] } = specOf<INetworkPolicy>(manifests.get("network-policy.yaml"));

type Peer = NonNullable<NonNullable<typeof egress>[0]["to"]>[0];

/** What a gateway talks to: an address outside of the cluster, or a pod in a namespace. */
type Party = { readonly address: string } | { readonly namespace: string };

function contains(cidr: string, address: string): boolean {
  const [net = "", prefix] = cidr.split("/");
  const family = isIPv6(net) ? "ipv6" : "ipv4";
  const list = new BlockList();
  list.addSubnet(net, Number(prefix), family);
  return isIPv6(address) === (family === "ipv6") && list.check(address, family);
}

/** Whether a peer of a rule includes a party, as NetworkPolicy defines it. */
function includes({ ipBlock, namespaceSelector }: Peer, party: Party): boolean {
  if ("address" in party) {
    if (ipBlock === undefined) return false;
    const { cidr, except = [] } = ipBlock;
    return contains(cidr, party.address) && !except.some((part) => contains(part, party.address));
  }
  if (namespaceSelector === undefined) return false;
  const labels: Record<string, string> = { "kubernetes.io/metadata.name": party.namespace };
  return Object.entries(namespaceSelector.matchLabels ?? {}).every(([name, value]) => labels[name] === value);
}

/** Whether one of the rules allows a connection. Every rule has peers: without, it would allow all. */
function isAllowed(
  rules: readonly { readonly peers: readonly Peer[] | undefined; readonly ports: readonly unknown[] }[],
  party: Party,
  port: number | string,
): boolean {
  return rules.some(({ peers, ports }) => {
    assert.ok(peers && peers.length > 0);
    return ports.includes(port) && peers.some((peer) => includes(peer, party));
  });
}

const portsOf = (rule: { readonly ports?: readonly { readonly port?: number | string }[] }) =>
  (rule.ports ?? []).map(({ port }) => port);
const outgoing = egress.map((rule) => ({ peers: rule.to, ports: portsOf(rule) }));
const incoming = ingress.map((rule) => ({ peers: rule.from, ports: portsOf(rule) }));

describe("deploy/kubernetes/network-policy.yaml", () => {
  for (const [what, party, port, expected] of [
    ["an object store or Stripe", { address: "104.18.0.1" }, 443, true],
    ["the same by IPv6", { address: "2606:4700::1" }, 443, true],
    ["a public address at another port", { address: "104.18.0.1" }, 80, false],
    ["a name server outside of the cluster", { address: "8.8.8.8" }, 53, false],
    ["the metadata of the cloud", { address: "169.254.169.254" }, 443, false],
    ["the cluster's API", { address: "10.96.0.1" }, 443, false],
    ["a private address", { address: "192.168.1.1" }, 443, false],
    ["a private address of IPv6", { address: "fd00::1" }, 443, false],
    ["an orchestrator in another namespace", { namespace: "compute" }, 50051, true],
    ["another pod", { namespace: "compute" }, 443, false],
    ["the cluster's DNS", { namespace: "kube-system" }, 53, true],
    ["NodeLocal DNSCache", { address: "169.254.20.10" }, 53, true],
    ["another pod as a name server", { namespace: "compute" }, 53, false],
  ] as const)
    it(`${expected ? "lets the gateways reach" : "keeps the gateways from"} ${what}`, () => {
      assert.equal(isAllowed(outgoing, party, port), expected);
    });

  for (const [what, party, port, expected] of [
    ["a proxy in the cluster", { namespace: "envoy" }, "http", true],
    ["a load balancer at a private address", { address: "10.1.2.3" }, "http", true],
    ["a public address", { address: "203.0.113.7" }, "http", false],
    ["Prometheus", { namespace: "monitoring" }, "metrics", true],
    ["a load balancer that reads metrics", { address: "10.1.2.3" }, "metrics", false],
  ] as const)
    it(`${expected ? "lets in" : "keeps out"} ${what}`, () => {
      assert.equal(isAllowed(incoming, party, port), expected);
    });
});
