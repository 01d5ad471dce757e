import assert from "node:assert/strict";
import { suite } from "../support/gateway.ts";
import { sendPath } from "../support/raw-http.ts";
import { callsDuring, startStack } from "../support/stack.ts";

const browser = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8";

describe("docsRedirect", () => {
  const stack = suite(() => startStack({}, { METRICS_ADDR: "127.0.0.1:0" }));

  for (const [path, accept, location] of [
    ["/", browser, "docs"],
    ["/", "*/*", "docs"],
    ["/", "application/json", "v1/openapi.json"],
    ["/", "application/json, text/plain, */*", "v1/openapi.json"],
    ["/", "application/yaml", "docs"],
    ["/?utm=1", browser, "docs"],
    ["/docs/", browser, "../docs"],
    ["/docs/", "application/json", "../docs"],
  ] as const)
    for (const method of ["GET", "HEAD"])
      it(`leads ${method} ${path} with Accept: ${accept} to ${location}`, async () => {
        const calls = await callsDuring(stack().upstream, async () => {
          const { status, headers, body } = await sendPath(stack().gateway.url, path, {
            method,
            headers: { Accept: accept },
          });
          assert.deepEqual([status, headers.location, headers.vary, body], [302, location, "Accept", ""]);
          assert.equal(headers["content-security-policy"], "default-src 'none';frame-ancestors 'none'");
        });
        assert.deepEqual(calls, []);
      });

  it("leads to what is there", async () => {
    for (const [path, accept, type] of [
      ["/", browser, "text/html; charset=utf-8"],
      ["/", "application/json", "application/json; charset=utf-8"],
      ["/docs/", browser, "text/html; charset=utf-8"],
    ] as const) {
      const response = await stack().gateway.fetch(path, { headers: { Accept: accept }, token: null });
      assert.equal(response.status, 200, path);
      assert.equal(response.headers.get("content-type"), type);
      await response.text();
    }
  });

  for (const [method, path] of [
    ["POST", "/"],
    ["DELETE", "/docs/"],
    ["GET", "//"],
    ["GET", "/docs//"],
    ["GET", "/v1/"],
  ] as const)
    it(`returns 404 for ${method} ${path}`, async () => {
      assert.equal((await sendPath(stack().gateway.url, path, { method })).status, 404);
    });

  it("is counted as unmatched", async () => {
    await sendPath(stack().gateway.url, "/");
    const metrics = await fetch(`${stack().gateway.metricsUrl!}/metrics`);
    assert.match(
      await metrics.text(),
      /^foldforge_gateway_http_requests_total\{method="GET",path="\(unmatched\)",status="302"\} [1-9]/m,
    );
  });

  it("returns 404 at METRICS_ADDR, which has no page", async () => {
    for (const path of ["/", "/docs/"])
      assert.equal((await sendPath(stack().gateway.metricsUrl!, path)).status, 404);
  });
});
