import assert from "node:assert/strict";
import { Code, ConnectError } from "@connectrpc/connect";
import { loadContract } from "../../src/contract.ts";
import { suite } from "../support/gateway.ts";
import { hang } from "../support/hang.ts";
import { callsDuring, startDisposableStack, startStack } from "../support/stack.ts";

describe("health", () => {
  let time = 0;
  const stack = suite(() => startStack({}, {}, { now: () => time }));

  describe("GET /v1/healthz", () => {
    it("responds with the version, without a token and without a call", async () => {
      const { version } = loadContract().document.info;
      const calls = await callsDuring(stack().upstream, async () => {
        for (const token of [null, "wrong"]) {
          const response = await stack().gateway.fetch("/v1/healthz", { token });
          assert.equal(response.status, 200);
          assert.deepEqual(await response.json(), { status: "ok", version });
        }
      });
      assert.deepEqual(calls, []);
    });
  });

  describe("GET /v1/readyz", () => {
    const ready = () => {
      // A result serves for a second.
      time += 1000;
      return stack().gateway.fetch("/v1/readyz", { token: null });
    };

    it("lists one workflow without a principal", async () => {
      let pageSize = 0;
      stack().upstream.rpcs.listWorkflows = (request) => {
        pageSize = request.pageSize;
        return {};
      };
      const calls = await callsDuring(stack().upstream, async () => {
        const response = await ready();
        assert.equal(response.status, 200);
        assert.deepEqual(await response.json(), { status: "ready" });
      });
      assert.equal(pageSize, 1);
      assert.equal(calls.length, 1);
      assert.equal(calls[0]?.metadata.get("ff-principal"), null);
    });

    const failures = [Code.Unavailable, Code.Internal, Code.Unauthenticated, Code.NotFound];
    for (const code of failures) {
      it(`responds with 503 when the call fails with ${Code[code]}, and logs the reason once`, async () => {
        stack().upstream.rpcs.listWorkflows = () => ({});
        assert.equal((await ready()).status, 200);
        const words = `secret of the database: ${code}`;
        stack().upstream.rpcs.listWorkflows = () => {
          throw new ConnectError(words, code);
        };
        for (const n of [1, 2]) {
          const response = await ready();
          assert.equal(response.status, 503, `probe ${n}`);
          assert.equal(response.headers.get("Retry-After"), "2");
          assert.deepEqual(await response.json(), { status: "unavailable" });
        }
        const told = stack().gateway.logs.filter((line) => JSON.stringify(line).includes(words));
        assert.deepEqual(
          told.map(({ event }) => event),
          ["readiness.lost"],
        );
      });
    }

    it("responds with 503 when the call gets no response", async () => {
      await using own = await startDisposableStack({}, { ORCHESTRATOR_RPC_TIMEOUT_SECONDS: "0.2" });
      hang(own.upstream, "listWorkflows");
      assert.equal((await own.gateway.fetch("/v1/readyz", { token: null })).status, 503);
    });
  });

  describe("GET /metrics", () => {
    /** One sample per line: a name, labels, a number. */
    async function scrape(): Promise<Map<string, number>> {
      const response = await stack().gateway.fetch("/metrics", { token: null });
      assert.equal(response.status, 200);
      assert.match(String(response.headers.get("content-type")), /^text\/plain; version=0\.0\.4/);
      const lines = (await response.text())
        .split("\n")
        .filter((line) => line !== "" && !line.startsWith("#"));
      return new Map(
        lines.map((line) => {
          const [, sample, value] = /^([a-z_:]+(?:\{(?:[a-z_]+="[^"]*",?)+\})?) (\S+)$/i.exec(line) ?? [];
          assert.ok(sample !== undefined, line);
          assert.ok(!Number.isNaN(Number(value)), line);
          return [sample, Number(value)] as const;
        }),
      );
    }

    const count = (method: string, path: string, status: number) =>
      `foldforge_gateway_http_requests_total{method="${method}",path="${path}",status="${status}"}`;

    it("counts requests by method, path template and status", async () => {
      stack().upstream.rpcs.getWorkflow = () => {
        throw new ConnectError("no", Code.NotFound);
      };
      const { gateway } = stack();
      await (await gateway.fetch("/v1/workflows/id-one")).text();
      await (await gateway.fetch("/v1/workflows/id-two")).text();
      await (await gateway.fetch("/v1/workflows/id-two/artifacts/a/b.pdb")).text();
      await (await gateway.fetch("/v1/workflows", { token: null })).text();
      await (await gateway.fetch("/v1/healthz", { method: "PUT" })).text();
      await (await gateway.fetch("/no/such/path")).text();
      await (await gateway.fetch("/no/like/path")).text();
      const samples = await scrape();
      assert.equal(samples.get(count("GET", "/v1/workflows/{id}", 404)), 2);
      assert.equal(samples.get(count("GET", "/v1/workflows/{id}/artifacts/{key}", 404)), 1);
      assert.equal(samples.get(count("GET", "/v1/workflows", 401)), 1);
      assert.equal(samples.get(count("PUT", "/v1/healthz", 405)), 1);
      const names = [...samples.keys()];
      const unmatched = names.filter(
        (name) =>
          name.startsWith("foldforge_gateway_http_requests_total") && !/path="\/(v1|metrics)/.test(name),
      );
      assert.deepEqual(
        unmatched.map((name) => samples.get(name)),
        [2],
      );
      assert.ok(!names.some((name) => /id-one|id-two|such|like/.test(name)));
    });

    it("has the histogram of the alert rules", async () => {
      await (await stack().gateway.fetch("/v1/healthz")).text();
      const names = [...(await scrape()).keys()];
      for (const part of ["bucket", "sum", "count"]) {
        const prefix = `foldforge_gateway_http_request_duration_seconds_${part}{`;
        assert.ok(
          names.some((name) => name.startsWith(prefix) && name.includes('path="/v1/healthz"')),
          part,
        );
      }
      assert.ok(names.some((name) => name.includes('le="+Inf"')));
    });
  });
});
