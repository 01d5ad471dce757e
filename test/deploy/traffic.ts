import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { createSend, submit } from "../drain/clients.ts";
import type { Send } from "../drain/clients.ts";
import { readEvents } from "../support/event-reader.ts";
import { adminToken } from "../support/gateway.ts";
import { scrape } from "../support/metrics.ts";
import { sendS3Error } from "../support/object-store.ts";
import { jsonPost, threeSteps } from "../support/samples.ts";
import { maxInFlight } from "./scene.ts";
import type { Scene } from "./scene.ts";

/** Sequential steps that run longer than any test. */
const longRun = {
  name: "long",
  steps: Array.from({ length: 200 }, (_, i) => ({
    id: `s${i}`,
    tool: "proteinmpnn",
    ...(i === 0 ? {} : { depends_on: [`s${i - 1}`] }),
  })),
};

/** An output of a finished workflow. */
interface Output {
  readonly path: string;
  readonly size: number;
  readonly sha256: string;
}

/** Runs a workflow to its end with a stream and a waiting read. Resolves with its first output. */
async function runToEnd(send: Send): Promise<Output> {
  const path = `/v1/workflows/${await submit(send, threeSteps)}`;
  const wait = send(path, { headers: { Prefer: "wait=20" } });
  assert.match(await (await send(`${path}/events`)).text(), /SUCCEEDED/);
  const { step_statuses } = (await (await wait).json()) as WorkflowBody;
  const [{ uri, size_bytes: size, sha256 }] = step_statuses[0].outputs;
  return { path: `${path}/artifacts/${uri.replace(/^r2:\/\/[^/]+\//, "")}`, size, sha256 };
}

interface WorkflowBody {
  readonly step_statuses: readonly [
    { readonly outputs: readonly [{ uri: string; size_bytes: number; sha256: string }] },
  ];
}

/** Opens an event stream, a download and an upload. The returned function closes them. */
export async function holdOpen({ url, store, honest }: Scene): Promise<() => void> {
  const leaving = new AbortController();
  const { signal } = leaving;
  const send = createSend(url, "alice-key");
  await readEvents(await send(`/v1/workflows/${await submit(send, longRun)}/events`, { signal })).next();

  const { path, size } = await runToEnd(send);
  const opened = Promise.withResolvers<undefined>();
  store.respond = function stall(_req, res) {
    res.writeHead(200, { "Content-Length": size }).write("some of it");
    opened.resolve(undefined);
  };
  send(path, { signal }).catch(() => undefined);
  await opened.promise;
  store.respond = honest;

  const upload = connect(Number(new URL(url).port), "127.0.0.1");
  upload.write(
    `POST /v1/workflows HTTP/1.1\r\nHost: gateway\r\nAuthorization: Bearer ${adminToken}\r\n` +
      "Content-Type: application/json\r\nContent-Length: 1000\r\nExpect: 100-continue\r\n\r\n",
  );
  await once(upload, "data");
  return function close() {
    leaving.abort();
    upload.destroy();
  };
}

/** Sends a request, and expects this status. */
async function expectStatus(status: number, response: Promise<Response>): Promise<void> {
  const { status: found, body } = await response;
  assert.equal(found, status);
  // Some transfers fail on purpose.
  await new Response(body).arrayBuffer().catch(() => undefined);
}

/** Runs workflows, downloads their outputs in every way, and sends requests that are rejected. */
async function useAll({ url, store, honest }: Scene): Promise<void> {
  const send = createSend(url, "alice-key");
  const { path, size, sha256 } = await runToEnd(send);
  const download = (status: number, init?: RequestInit) => expectStatus(status, send(path, init));
  await download(200);
  await download(206, { headers: { Range: "bytes=0-9" } });
  await download(200, { method: "HEAD" });
  await download(304, { headers: { "If-None-Match": `"${sha256}"` } });
  await download(416, { headers: { Range: `bytes=${size}-` } });
  await expectStatus(404, send(`${path}x`));
  store.respond = (_req, res) => res.end(Buffer.alloc(size - 1));
  await download(500);
  store.respond = (_req, res) => sendS3Error(res, 403, "AccessDenied");
  await download(500);
  store.respond = honest;

  for (const token of ["junk", "junk", "other-junk"]) {
    await expectStatus(401, createSend(url, token)("/v1/workflows"));
  }
  await expectStatus(404, send("/v1/nowhere"));
  await expectStatus(405, send("/v1/workflows", { method: "PATCH" }));
  await expectStatus(400, send("/v1/workflows", jsonPost({ name: "no steps" })));
  await expectStatus(200, createSend(url, adminToken)("/v1/workflows"));
  for (const place of ["/v1/billing/balance", "/v1/billing/ledger", "/v1/readyz", "/v1/openapi.json"]) {
    await expectStatus(200, send(place));
  }
}

/** Sends more concurrent requests than the gateway serves to anybody, and than it serves to one API key. */
async function flood({ url }: Scene): Promise<void> {
  for (const [token, rejection, others] of [
    [adminToken, 503, []],
    ["alice-key", 429, [503]],
  ] as const) {
    const send = createSend(url, token);
    const responses = await Promise.all(
      Array.from({ length: 8 * maxInFlight }, async () => {
        const response = await send("/v1/workflows");
        await response.arrayBuffer();
        return response.status;
      }),
    );
    const statuses = new Set<number>(responses);
    for (const status of others) statuses.delete(status);
    assert.deepEqual(statuses, new Set([200, rejection]), token);
  }
}

/** Sends requests with a cached and an unknown key while the orchestrator cannot be reached. */
async function loseOrchestrator({ url, wire }: Scene): Promise<void> {
  const { target } = wire;
  wire.target = "http://127.0.0.1:1";
  wire.cut();
  await expectStatus(503, createSend(url, "unknown-key")("/v1/workflows"));
  const stale = async () =>
    (await scrape(url)).get('foldforge_gateway_api_key_lookups_total{result="stale"}');
  const before = await stale();
  // The cache entry must expire first.
  while ((await stale()) === before) await expectStatus(503, createSend(url, "alice-key")("/v1/workflows"));
  wire.target = target;
}

/** Makes the gateway count everything that it can count, failures too. */
export async function runTraffic(scene: Scene): Promise<void> {
  await useAll(scene);
  await flood(scene);
  await loseOrchestrator(scene);
}
