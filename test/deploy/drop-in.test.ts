import assert from "node:assert/strict";
import { after, before } from "mocha";
import { startSandbox } from "../../src/sandbox/start-sandbox.ts";
import type { Sandbox } from "../../src/sandbox/start-sandbox.ts";
import { prefix } from "../../src/settings/schema.ts";
import { parseSettings } from "../../src/settings/settings.ts";
import { runGateway } from "../support/gateway-process.ts";
import { startGrpcCollector } from "../support/grpc-collector.ts";
import { jsonPost, oneStep } from "../support/samples.ts";
import { sandboxSettings } from "../support/sandbox.ts";

const token = "a-token-of-the-deployment";

/** What the Compose files set that the gateway is deployed with. */
const required = {
  [`${prefix}BIND_ADDR`]: "0.0.0.0:8080",
  [`${prefix}ORCHESTRATOR_ENDPOINT`]: "http://orchestrator:50051",
  [`${prefix}API_TOKEN`]: token,
};

const objectStore = {
  [`${prefix}R2_ENDPOINT`]: "http://object-store:9000",
  [`${prefix}R2_BUCKET`]: "foldforge",
  [`${prefix}R2_ACCESS_KEY_ID`]: "id",
  [`${prefix}R2_SECRET_ACCESS_KEY`]: "secret",
};

/** The values that Compose makes of variables that are not set. */
const empty = Object.fromEntries(
  [...Object.keys(objectStore), `${prefix}API_KEYS_ENABLED`].map((name) => [name, ""]),
);

const full = {
  ...required,
  ...objectStore,
  [`${prefix}API_KEYS_ENABLED`]: "false",
  OTEL_EXPORTER_OTLP_ENDPOINT: "http://otel-collector:4317",
};

/** An address of this machine on which no other test, nor another run, has the collector's port. */
const collectorHost = `127.43.${(process.pid >> 8) & 255}.${process.pid & 255}`;

type Call = (path: string, init?: RequestInit) => Promise<Response>;

describe("a gateway with the environment of the Compose files that it is deployed with", () => {
  let sandbox: Sandbox;
  before("start a sandbox", async () => {
    sandbox = await startSandbox(sandboxSettings);
  });
  after("close it", () => sandbox.close());

  /**
   * Runs one as long as `use` does, with addresses of this machine in place of those of containers. Asserts that it
   * serves with the orchestrator, warns of nothing, and exits with 0.
   */
  async function assertServes(
    env: Record<string, string>,
    use: (call: Call) => Promise<void>,
  ): Promise<void> {
    assert.deepEqual(parseSettings(env, () => "").warnings, []);
    const here = JSON.stringify(env)
      .replace("0.0.0.0:8080", "0.0.0.0:0")
      .replace("http://orchestrator:50051", sandbox.orchestratorUrl)
      .replace("http://object-store:9000", sandbox.objectStoreUrl)
      .replace("otel-collector", collectorHost);
    const gateway = runGateway({}, { more: JSON.parse(here) as Record<string, string> });
    const { port } = new URL(await gateway.started);
    async function call(path: string, { headers, ...init }: RequestInit = {}): Promise<Response> {
      const authorization = { Authorization: `Bearer ${token}` };
      const url = `http://127.0.0.1:${port}${path}`;
      return await fetch(url, {
        ...init,
        headers: { ...(headers as Record<string, string>), ...authorization },
      });
    }
    for (const path of ["/v1/healthz", "/v1/readyz", "/v1/workflows"])
      assert.equal((await call(path)).status, 200, path);
    await use(call);

    gateway.child.kill("SIGINT");
    const { code, stderr, lines } = await gateway.ended;
    assert.deepEqual([code, stderr], [0, ""]);
    assert.deepEqual(
      lines.filter(({ level }) => level !== "info"),
      [],
    );
  }

  it("serves with an address, an orchestrator and a token", async () => {
    await assertServes(required, () => Promise.resolve());
  });

  it("serves with further variables that are empty", async () => {
    await assertServes({ ...required, ...empty }, () => Promise.resolve());
  });

  it("serves artifacts of the object store, and sends spans to the collector by gRPC", async () => {
    const collector = await startGrpcCollector(4317, collectorHost);
    await assertServes(full, async (call) => {
      const { id } = (await (await call("/v1/workflows", jsonPost(oneStep))).json()) as { id: string };
      // The stream ends when the workflow does.
      await (await call(`/v1/workflows/${id}/events`)).text();
      const listed = await (await call(`/v1/workflows/${id}/artifacts`)).json();
      const { artifacts } = listed as { artifacts: { href: string }[] };
      const { status, headers } = await call(artifacts[0]?.href ?? "");
      assert.deepEqual([status, headers.get("content-disposition")?.split(";")[0]], [200, "attachment"]);
    });
    await collector.find(({ name }) => name === "GET /v1/workflows/{id}/artifacts/{key}");
    await collector.close();
  });
});
