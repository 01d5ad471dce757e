import assert from "node:assert/strict";
import { loadContract } from "../../src/contract.ts";
import { createNearestPath } from "../../src/http/nearest-path.ts";

describe("createNearestPath", () => {
  const { paths } = loadContract();
  const nearestPath = createNearestPath(paths);

  for (const [path, expected] of [
    ["/", undefined],
    ["*", undefined],
    ["", undefined],
    ["/v1", undefined],
    ["/v1/", undefined],
    ["/v1/workflow", "/v1/workflows"],
    ["/v1/workflows/", "/v1/workflows"],
    ["/V1/workflows", "/v1/workflows"],
    ["/v1/Workflows", "/v1/workflows"],
    ["//v1/workflows", "/v1/workflows"],
    ["/v1//workflows", "/v1/workflows"],
    ["/workflows", "/v1/workflows"],
    ["/api/v1/workflows", "/v1/workflows"],
    ["/api/v1/workflow", "/v1/workflows"],
    ["/v1/workflows/w1/", "/v1/workflows/{id}"],
    ["/V1/workflows/W1", "/v1/workflows/{id}"],
    ["/workflows/w1", "/v1/workflows/{id}"],
    ["/v1/workflow/w1/event", "/v1/workflows/{id}/events"],
    ["/v1/workflows/w1/retry/", "/v1/workflows/{id}/retry"],
    ["/v1/workflows/w1/Rank", "/v1/workflows/{id}/rank"],
    ["/v1/workflows/w1/cancel", undefined],
    ["/v1/workflows/w1/artifact", "/v1/workflows/{id}/artifacts"],
    ["/v1/workflows/w1/artifacts/", "/v1/workflows/{id}/artifacts"],
    ["/v1/workflows/w1/artifact/a/b/c", "/v1/workflows/{id}/artifacts/{key}"],
    ["/v1/workflows/w1/events/x", undefined],
    ["/v1/workflows/../workflows", undefined],
    ["/v1/billing", undefined],
    ["/v1/billing/balances", "/v1/billing/balance"],
    ["/v1/health", "/v1/healthz"],
    ["/healthz", "/v1/healthz"],
    ["/ready", "/v1/readyz"],
    ["/v1/metrics", "/metrics"],
    ["/metrics/", "/metrics"],
    ["/v1/openapi.yml", "/v1/openapi.yaml"],
    ["/openapi.json", "/v1/openapi.json"],
    ["/docs/", "/docs"],
    ["/v1/docs", "/docs"],
    ["/favicon.ico", undefined],
    ["/a/b/c/d/e/f", undefined],
  ] as const)
    it(`finds ${expected} for ${JSON.stringify(path)}`, () => assert.equal(nearestPath(path), expected));

  it("finds nothing among the paths that are not served", () => {
    const hidden = createNearestPath(paths.filter(({ template }) => template !== "/metrics"));
    assert.equal(hidden("/v1/metrics"), undefined);
    assert.equal(hidden("/metrics"), undefined);
  });

  it("takes little time for the longest paths", () => {
    const long = [`/v1/workflows/w1/artifact${"s".repeat(8000)}/a`, "/a".repeat(4000), "/".repeat(8000)];
    const { user } = process.cpuUsage();
    for (let count = 0; count < 100; count += 1) for (const path of long) nearestPath(path);
    // Usually 20 ms.
    assert.ok(process.cpuUsage().user - user < 1_000_000);
  });
});
