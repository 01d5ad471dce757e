import assert from "node:assert/strict";
import { Code, ConnectError } from "@connectrpc/connect";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import { loadContract } from "../../src/contract.ts";
import { crossOriginHeaders } from "../../src/http/cors.ts";
import { suite } from "../support/gateway.ts";
import { sendPath } from "../support/raw-http.ts";
import { hang } from "../support/hang.ts";
import { workflowEvent, workflowIn } from "../support/samples.ts";
import { callsDuring, startStack } from "../support/stack.ts";

const page = "https://console.example";
const path = "/v1/workflows/w1";
const preflightOf = (origin: string) => ({
  method: "OPTIONS",
  headers: {
    Origin: origin,
    "Access-Control-Request-Method": "GET",
    "Access-Control-Request-Headers": "authorization,last-event-id",
  },
});

const listed = (value: string | undefined) => (value ?? "").split(",").map((part) => part.trim());

describe("crossOrigin without allowed origins", () => {
  const stack = suite(() => startStack());

  it("ignores Origin, and responds with 405 to preflights", async () => {
    stack().upstream.rpcs.getWorkflow = () => workflowIn(JobState.RUNNING);
    const response = await stack().gateway.fetch(path, { headers: { Origin: page } });
    assert.equal(response.status, 200);
    assert.deepEqual(
      [...response.headers.keys()].filter((name) => name.startsWith("access-control-")),
      [],
    );
    assert.equal(response.headers.get("vary"), null);
    const preflight = await sendPath(stack().gateway.url, path, preflightOf(page));
    assert.equal(preflight.status, 405);
    assert.equal(preflight.headers["access-control-allow-origin"], undefined);
  });
});

describe("crossOrigin with two origins", () => {
  const stack = suite(() =>
    startStack({}, { CORS_ALLOWED_ORIGINS: `${page}, http://localhost:3000`, MAX_REQUESTS_IN_FLIGHT: "1" }),
  );

  for (const origin of [page, "http://localhost:3000"])
    it(`responds to a preflight of ${origin} on every path, without a token and without a call`, async () => {
      for (const { template } of loadContract().paths) {
        const calls = await callsDuring(stack().upstream, async () => {
          const url = template
            .replace("{id}", "w1")
            .replace("{key}", "a/b.pdb")
            .replace("{file}", "page.css");
          const { status, headers, body } = await sendPath(stack().gateway.url, url, preflightOf(origin));
          assert.deepEqual([status, body], [204, ""], template);
          assert.equal(headers["access-control-allow-origin"], origin);
          assert.equal(headers["access-control-max-age"], "7200");
          assert.deepEqual(listed(headers["access-control-allow-methods"]), [
            "GET",
            "HEAD",
            "POST",
            "DELETE",
          ]);
          assert.deepEqual(listed(headers["access-control-allow-headers"]), [...crossOriginHeaders.sent]);
          assert.equal(headers["access-control-allow-credentials"], undefined);
          assert.ok(listed(headers.vary).includes("Origin"));
        });
        assert.deepEqual(calls, []);
      }
    });

  for (const origin of [
    "https://evil.example",
    "https://console.example.evil.example",
    "http://console.example",
    "https://console.example:8443",
    "null",
  ])
    it(`sends no CORS headers to ${origin}`, async () => {
      const preflight = await sendPath(stack().gateway.url, path, preflightOf(origin));
      assert.equal(preflight.headers["access-control-allow-origin"], undefined);
      const response = await stack().gateway.fetch("/v1/healthz", { headers: { Origin: origin } });
      assert.equal(response.headers.get("access-control-allow-origin"), null);
      assert.equal(response.headers.get("vary"), "Origin");
    });

  it("lets a page read every response, errors included", async () => {
    const { upstream, gateway } = stack();
    const ask = (url: string, init: RequestInit & { token?: string | null } = {}) =>
      gateway.fetch(url, { ...init, headers: { ...(init.headers as object), Origin: page } });
    upstream.rpcs.getWorkflow = () => workflowIn(JobState.RUNNING);
    upstream.rpcs.listWorkflows = () => {
      throw new ConnectError("gone", Code.Internal);
    };
    upstream.rpcs.streamWorkflowEvents = async function* () {
      await Promise.resolve();
      yield workflowEvent(1n, JobState.SUCCEEDED);
    };
    const requests: [() => Promise<Response>, number][] = [
      [() => ask(path), 200],
      [() => ask(path, { token: null }), 401],
      [() => ask("/v1/nope"), 404],
      [() => ask(path, { method: "PUT" }), 405],
      [() => ask("/v1/workflows?page_size=0"), 400],
      [() => ask("/v1/workflows", { method: "POST", body: "x" }), 415],
      [() => ask("/v1/workflows"), 500],
      [() => ask(`${path}/events`), 200],
      [() => ask("/v1/openapi.yaml"), 200],
    ];
    for (const [send, status] of requests) {
      const response = await send();
      await response.text();
      assert.equal(response.status, status);
      assert.equal(response.headers.get("access-control-allow-origin"), page, `${status}`);
      assert.deepEqual(listed(response.headers.get("access-control-expose-headers") ?? ""), [
        ...crossOriginHeaders.read,
      ]);
    }
  });

  it("lets a page read a 503 of load shedding", async () => {
    const { upstream, gateway } = stack();
    const { started, cancelled } = hang(upstream, "getWorkflow");
    const leaving = new AbortController();
    const first = gateway.fetch(path, { signal: leaving.signal });
    await started;
    const rejected = await gateway.fetch(path, { headers: { Origin: page } });
    assert.equal(rejected.status, 503);
    assert.equal(rejected.headers.get("access-control-allow-origin"), page);
    assert.equal(rejected.headers.get("retry-after"), "2");
    leaving.abort();
    await assert.rejects(first);
    // Until then, the request still counts against the limit.
    await cancelled;
  });

  it("responds with 405 to an OPTIONS that is no preflight", async () => {
    const { status, headers } = await sendPath(stack().gateway.url, path, {
      method: "OPTIONS",
      headers: { Origin: page },
    });
    assert.deepEqual([status, headers.allow], [405, "GET, DELETE, HEAD"]);
  });

  it("responds with 404 to a preflight of an unknown path", async () => {
    assert.equal((await sendPath(stack().gateway.url, "/v1/nope", preflightOf(page))).status, 404);
  });

  it("counts a preflight under its path", async () => {
    await sendPath(stack().gateway.url, path, preflightOf(page));
    const text = await (await stack().gateway.fetch("/metrics")).text();
    assert.match(text, /requests_total\{method="OPTIONS",path="\/v1\/workflows\/\{id\}",status="204"\} \d/);
  });

  it("responds with 401 to the request itself without a token", async () => {
    assert.equal((await sendPath(stack().gateway.url, path, { headers: { Origin: page } })).status, 401);
  });
});

describe("crossOrigin with *", () => {
  const stack = suite(() => startStack({}, { CORS_ALLOWED_ORIGINS: "*" }));

  it("allows every origin, without credentials", async () => {
    for (const origin of [page, "https://evil.example", "null"]) {
      const preflight = await sendPath(stack().gateway.url, path, preflightOf(origin));
      assert.deepEqual([preflight.status, preflight.headers["access-control-allow-origin"]], [204, "*"]);
      assert.equal(preflight.headers["access-control-allow-credentials"], undefined);
    }
    const response = await stack().gateway.fetch("/v1/healthz", { headers: { Origin: page } });
    assert.equal(response.headers.get("access-control-allow-origin"), "*");
  });
});

describe("crossOriginHeaders", () => {
  /** The names of the headers that the contract speaks of, in a list of parameters or of headers. */
  function names(kind: "sent" | "read"): Set<string> {
    const found = new Set<string>();
    const visit = (value: unknown): void => {
      if (typeof value !== "object" || value === null) return;
      const { name, in: where, headers } = value as { name?: string; in?: string; headers?: object };
      if (kind === "sent" && where === "header" && name !== undefined) found.add(name);
      if (kind === "read" && headers !== undefined) Object.keys(headers).forEach((own) => found.add(own));
      Object.values(value).forEach(visit);
    };
    const { paths, components } = loadContract().document;
    visit({ paths, responses: components["responses"], parameters: components.parameters });
    return found;
  }

  it("allows every request header of the contract except Stripe's, and those of authentication and of tracing", () => {
    const sent = [...names("sent")].filter((name) => name !== "Stripe-Signature");
    const wanted = [...sent, "Authorization", "Content-Type", "traceparent", "tracestate"];
    assert.deepEqual([...crossOriginHeaders.sent].sort(), wanted.sort());
  });

  it("exposes every response header of the contract except those for caches and proxies, and those of all responses", () => {
    const forOthers = ["Cache-Control", "X-Accel-Buffering"];
    const read = [...names("read")].filter((name) => !forOthers.includes(name));
    const wanted = [...read, "Allow", "X-Request-Id"];
    assert.deepEqual([...crossOriginHeaders.read].sort(), wanted.sort());
  });
});
