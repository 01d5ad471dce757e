import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { readEvents } from "../support/event-reader.ts";
import { finishedRun } from "../support/finished-run.ts";
import { adminToken, suite } from "../support/gateway.ts";
import { readPage, rows, section } from "../support/pages.ts";
import { sendPath } from "../support/raw-http.ts";
import { serveBytes } from "../support/object-store.ts";
import { jsonPost, oneStep } from "../support/samples.ts";
import { until } from "../support/until.ts";
import { publicName, proxyPrograms } from "./proxies.ts";
import { startProxyScene } from "./proxy-scene.ts";
import type { ProxyScene } from "./proxy-scene.ts";
import { protocols } from "./tls-client.ts";
import type { Protocol } from "./tls-client.ts";

/** The columns of the table in docs/operating.md. */
const columns: Readonly<Record<Protocol, number>> = { "http/1.1": 1, h2: 2 };

/** How a client over this protocol sees a broken event stream, by docs/operating.md; undefined for other versions. */
function documentedEnd(proxy: string, version: string, protocol: Protocol): string | undefined {
  const table = rows(section(readPage("docs/operating.md"), "Broken responses behind a proxy"), /\d/);
  const row = table.find(([name = ""]) => `${proxy} ${version}.`.startsWith(`${name}.`));
  return row?.[columns[protocol]];
}

/** Writes a file that is larger than what the gateway keeps until it has compared the hash. */
const largeFile = {
  name: "large",
  steps: [{ id: "a", tool: "rfdiffusion", params: { contigs: "1000-1000" } }],
};

async function submit(scene: ProxyScene, protocol: Protocol): Promise<string> {
  const response = await scene.send(protocol, "/v1/workflows", jsonPost(oneStep));
  assert.equal(response.status, 201);
  return ((await response.json()) as { id: string }).id;
}

for (const program of proxyPrograms) {
  const { name, file, version, hasHealthCheck } = program;
  describe(`deploy/proxies/${file} in ${name}`, function () {
    before(`find ${name}`, function () {
      if (program.program !== undefined) return;
      console.log(`    skipped: ${name} is not installed`);
      this.skip();
    });

    describe("before workflows that run", () => {
      const scene = suite(() => startProxyScene(program, 3600));

      for (const protocol of protocols) {
        it(`passes on each event and heartbeat at once, over ${protocol}`, async () => {
          const path = `/v1/workflows/${await submit(scene(), protocol)}`;
          const response = await scene().send(protocol, `${path}/events`);
          assert.equal(response.headers.get("content-type"), "text/event-stream");
          const reader = readEvents(response);
          // Nothing follows the first events until the workflow is cancelled: a buffer would not become full.
          await reader.received('"RUNNING"');
          await reader.received("\n:\n");
          const cancelled = await scene().send(protocol, path, { method: "DELETE" });
          assert.equal(cancelled.status, 200);
          await reader.received('"CANCELLED"');
          assert.equal(await reader.ended, "clean");
        });

        it(`disconnects from the gateway when a client over ${protocol} disconnects from events`, async () => {
          const id = await submit(scene(), protocol);
          const response = await scene().send(protocol, `/v1/workflows/${id}/events`);
          await until(() => scene().openStreams() === 1);
          await response.body?.cancel();
          await until(() => scene().openStreams() === 0);
        });

        it(`ends a broken event stream as documented, over ${protocol}`, async function () {
          const expected = documentedEnd(name, version, protocol);
          if (expected === undefined) {
            console.log(`        skipped: docs/operating.md does not know ${name} ${version}`);
            return this.skip();
          }
          const id = await submit(scene(), protocol);
          const reader = readEvents(await scene().send(protocol, `/v1/workflows/${id}/events`));
          await reader.received('"RUNNING"');
          scene().wire.cut();
          assert.equal(await reader.ended, expected);
        });

        it(`replaces what a client over ${protocol} says about its address`, async () => {
          await (
            await scene().send(protocol, "/v1/billing/balance", {
              headers: {
                "X-Forwarded-For": "203.0.113.7",
                "X-Forwarded-Proto": "gopher",
                Forwarded: "for=203.0.113.7",
                "X-Request-Id": "of-the-client",
              },
            })
          ).text();
          const { rawHeaders = [] } =
            scene().received.findLast(({ path }) => path === "/v1/billing/balance") ?? {};
          const values = (header: string) =>
            rawHeaders.filter((_, i) => i % 2 === 1 && rawHeaders[i - 1]?.toLowerCase() === header);
          assert.deepEqual(values("x-forwarded-for"), ["127.0.0.1"]);
          assert.deepEqual(values("x-forwarded-proto"), ["https"]);
          assert.deepEqual(values("forwarded"), []);
          assert.deepEqual(values("x-request-id"), ["of-the-client"]);
          assert.equal(values("host")[0]?.split(":")[0], publicName);
          assert.deepEqual(values("authorization"), [`Bearer ${adminToken}`]);
        });

        it(`passes on bodies and errors, over ${protocol}`, async () => {
          const step = { ...oneStep.steps[0], params: { note: "x".repeat(1_000_000) } };
          const large = jsonPost({ ...oneStep, steps: [step] });
          const validated = await scene().send(protocol, "/v1/workflows/validate", large);
          assert.equal(validated.status, 200);
          await validated.body?.cancel();
          const tooLarge = await scene().send(protocol, "/v1/workflows", {
            method: "POST",
            headers: { "Content-Type": "application/json", "Content-Length": "1500000" },
            withholdsBody: true,
          });
          assert.equal(tooLarge.status, 413);
          assert.match(await tooLarge.text(), /"INVALID_ARGUMENT".*1048576/);
          const missing = await scene().send(protocol, "/v1/workflows/nothing");
          assert.equal(missing.status, 404);
          assert.match(await missing.text(), /"NOT_FOUND".*"trace_id"/);
        });
      }

      it("passes on the path of an artifact as it was sent", async () => {
        const path = "/v1/workflows/w/artifacts/r2%3A//bucket/a%2Fb";
        await (await scene().send("http/1.1", path)).text();
        assert.ok(scene().received.some((request) => request.path === path));
      });

      it("logs the id of a request, and no token", async () => {
        const response = await scene().send("h2", "/v1/billing/balance");
        const id = response.headers.get("x-request-id") ?? "";
        assert.match(id, /^[0-9a-f]{32}$/);
        await until(() => scene().proxy.log().includes(id));
        assert.ok(!scene().proxy.log().includes(adminToken));
      });

      it("redirects to HTTPS", async () => {
        const { status, headers } = await sendPath(
          `http://127.0.0.1:${scene().proxy.httpPort}`,
          "/v1/healthz",
          {
            headers: { Host: publicName },
          },
        );
        assert.equal(status, 308);
        assert.match(headers.location ?? "", new RegExp(`^https://${publicName}(:\\d+)?/v1/healthz$`));
      });

      if (hasHealthCheck)
        it("checks readyz", async () => {
          await until(() => scene().received.some(({ path }) => path === "/v1/readyz"));
        });

      it("responds with an error of the API while no gateway does", async () => {
        await scene().wire.close();
        await Promise.all(
          protocols.map(async (protocol) => {
            const response = await scene().send(protocol, "/v1/healthz");
            assert.ok([502, 503].includes(response.status), String(response.status));
            assert.equal(response.headers.get("retry-after"), "1");
            assert.deepEqual(await response.json(), {
              code: "UNAVAILABLE",
              message: "no gateway responds",
              retryable: true,
            });
          }),
        );
      });
    });

    describe("before a finished workflow", () => {
      const scene = suite(() => startProxyScene(program, 0));
      let href = "";
      let bytes = Buffer.alloc(0);
      before("make a file", async () => {
        const { gateway } = scene();
        const id = await finishedRun(gateway, largeFile, adminToken);
        const listed = await (await gateway.fetch(`/v1/workflows/${id}/artifacts`)).json();
        ({ href } = (listed as { artifacts: [{ href: string }] }).artifacts[0]);
        bytes = Buffer.from(await (await gateway.fetch(href)).arrayBuffer());
      });

      /** Makes the store stop in the middle of the file. Resolves with a response, when some of its bytes have arrived. */
      async function downloadHalf(protocol: Protocol) {
        const released = Promise.withResolvers<undefined>();
        scene().store.respond = function sendInParts(_req, res) {
          res.writeHead(200, { "Content-Length": bytes.length }).write(bytes.subarray(0, bytes.length / 2));
          void released.promise.then(() => res.end(bytes.subarray(bytes.length / 2)));
        };
        const { body } = await scene().send(protocol, href);
        const reader = body!.getReader();
        const { value: first } = await reader.read();
        return {
          release: () => released.resolve(undefined),
          async readAll(): Promise<Buffer> {
            const parts = [first!];
            for (;;) {
              const { value } = await reader.read();
              if (value === undefined) return Buffer.concat(parts);
              parts.push(value);
            }
          },
        };
      }

      for (const protocol of protocols) {
        it(`streams a download, over ${protocol}`, async () => {
          const { release, readAll } = await downloadHalf(protocol);
          release();
          assert.ok((await readAll()).equals(bytes));
        });

        it(`shows that a download broke, over ${protocol}`, async () => {
          const { release, readAll } = await downloadHalf(protocol);
          scene().wire.cut();
          await assert.rejects(readAll(), /not complete/);
          release();
        });

        it(`passes on a range, over ${protocol}`, async () => {
          scene().store.respond = serveBytes(bytes);
          const response = await scene().send(protocol, href, { headers: { Range: "bytes=100-299" } });
          assert.equal(response.status, 206);
          assert.equal(response.headers.get("content-range"), `bytes 100-299/${bytes.length}`);
          assert.ok(Buffer.from(await response.arrayBuffer()).equals(bytes.subarray(100, 300)));
        });
      }
    });

    it("waits longer for a response than the gateway takes", () => {
      const text = readFileSync(join("deploy/proxies", file), "utf8");
      const seconds = [...text.matchAll(program.readTimeout)].map(([, value]) => Number(value));
      assert.ok(seconds.length > 0 && seconds.every((value) => value >= 100), String(seconds));
    });
  });
}
