import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { startSandbox } from "../../src/sandbox/start-sandbox.ts";
import { chromiumSuite, openPage } from "../support/chromium.ts";
import type { WatchedPage } from "../support/chromium.ts";
import { startTestGateway, suite } from "../support/gateway.ts";
import { oneStep, sha256, threeSteps } from "../support/samples.ts";
import { sandboxSettings, settingsFor } from "../support/sandbox.ts";

/** Packages that the page imports by their names, as they are in node_modules. */
const packages = ["eventsource", "eventsource-parser"];

/** A site of its own origin: an empty page, and the packages. */
async function startSite() {
  const imports = Object.fromEntries(packages.map((name) => [name, `/${name}/index.js`]));
  const page = `<!doctype html><link rel="icon" href="data:,"><script type="importmap">${JSON.stringify({ imports })}</script>`;
  const server = createServer((req, res) => {
    const [, name = "", file = ""] = /^\/([\w-]+)\/([\w-]+\.js)$/.exec(String(req.url)) ?? [];
    res.setHeader("Content-Type", name === "" ? "text/html" : "text/javascript");
    res.end(name === "" ? page : readFileSync(new URL(file, import.meta.resolve(name))));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close() {
      server.closeAllConnections();
      server.close();
      return Promise.resolve();
    },
  };
}

/** A request as a page makes it; it runs in the browser, and sees nothing of this file. */
async function send(given: {
  url: string;
  method?: string;
  headers?: Record<string, string>;
  body?: unknown;
}) {
  const { url, body, ...init } = given;
  const response = await fetch(url, body === undefined ? init : { ...init, body: JSON.stringify(body) });
  const bytes = await response.bytes();
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return {
    status: response.status,
    headers: Object.fromEntries(response.headers),
    text: new TextDecoder().decode(bytes),
    length: bytes.length,
    sha256: [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join(""),
  };
}

/** Follows a workflow in the browser until its client stops reconnecting. */
async function follow({ url, headers }: { url: string; headers: Record<string, string> }) {
  const { EventSource } = await import("eventsource");
  const source = new EventSource(url, {
    fetch: (input, init) => fetch(input, { ...init, headers: { ...init.headers, ...headers } }),
  });
  const events: { id: string; type: string; data: string }[] = [];
  for (const name of ["step_update", "workflow_update"] as const)
    source.addEventListener(name, ({ lastEventId, type, data }) =>
      events.push({ id: lastEventId, type, data: String(data) }),
    );
  return new Promise<{ events: typeof events; code: number | undefined }>((resolve) => {
    source.addEventListener("error", ({ code }) => {
      if (source.readyState === source.CLOSED) resolve({ events, code });
    });
  });
}

const bearer = (token: string) => ({ Authorization: `Bearer ${token}` });
const json = { "Content-Type": "application/json" };

describe("a page of another origin", () => {
  const browser = chromiumSuite();
  const site = suite(startSite);
  const stranger = suite(startSite);
  // Each step outlasts the time from a submission until the page follows it.
  const sandbox = suite(() => startSandbox({ ...sandboxSettings, stepSeconds: 1 }));
  const gateway = suite(() =>
    startTestGateway({ ...settingsFor(sandbox()), CORS_ALLOWED_ORIGINS: site().url }),
  );
  const opened: WatchedPage[] = [];

  afterEach("close the pages", async () => {
    for (const { close } of opened.splice(0)) await close();
  });

  async function openSite({ url } = site()) {
    const watched = await openPage(browser());
    opened.push(watched);
    await watched.page.goto(url);
    return watched;
  }

  it("submits, and reads where the workflow is and how much of the quota is left", async () => {
    const { page, errors: complaints } = await openSite();
    const url = `${gateway().url}/v1/workflows`;
    const traceId = "4bf92f3577b34da6a3ce929d0e0e4736";
    const submit = (key: string) =>
      page.evaluate(send, {
        url,
        method: "POST",
        headers: {
          ...bearer("carol-key"),
          ...json,
          "Idempotency-Key": key,
          traceparent: `00-${traceId}-00f067aa0ba902b7-01`,
        },
        body: oneStep,
      });
    const first = await submit("one");
    assert.equal(first.status, 201);
    const { id } = JSON.parse(first.text);
    assert.equal(first.headers["location"], `/v1/workflows/${id}`);
    assert.equal(first.headers["x-ratelimit-limit"], "2");
    assert.equal(first.headers["x-ratelimit-remaining"], "1");
    assert.deepEqual(complaints, []);

    assert.equal(JSON.parse((await submit("one")).text).id, id);
    const limited = await submit("two");
    assert.equal(limited.status, 429);
    assert.equal(limited.headers["retry-after"], "60");
    assert.equal(JSON.parse(limited.text).trace_id, traceId);
  });

  it("follows a workflow to its end, resumes, and downloads what it has made", async () => {
    const { page, errors: complaints } = await openSite();
    const headers = bearer("alice-key");
    const submitted = await page.evaluate(send, {
      url: `${gateway().url}/v1/workflows`,
      method: "POST",
      headers: { ...headers, ...json },
      body: threeSteps,
    });
    const url = `${gateway().url}/v1/workflows/${JSON.parse(submitted.text).id}`;

    const { events, code } = await page.evaluate(follow, { url: `${url}/events`, headers });
    assert.equal(code, 204);
    assert.equal(JSON.parse(events.at(-1)!.data).workflow_update.state, "SUCCEEDED");
    const ids = events.map(({ id }) => Number(id));
    assert.ok(ids.length > 6, String(ids));
    assert.deepEqual(
      ids,
      ids.toSorted((a, b) => a - b),
    );

    const lastEventId = events.at(-3)!.id;
    const rest = await page.evaluate(send, {
      url: `${url}/events`,
      headers: { ...headers, "Last-Event-ID": lastEventId },
    });
    assert.deepEqual(
      [...rest.text.matchAll(/^id: (.*)$/gm)].map(([, id]) => id),
      events.slice(-2).map(({ id }) => id),
    );

    const read = await page.evaluate(send, { url, headers });
    const { step_statuses } = JSON.parse(read.text) as {
      step_statuses: { outputs: { uri: string; sha256: string; size_bytes: number }[] }[];
    };
    const [output] = step_statuses.flatMap(({ outputs }) => outputs);
    const artifact = `${url}/artifacts/${output!.uri.replace("r2://foldforge/", "")}`;
    const whole = await page.evaluate(send, { url: artifact, headers });
    assert.equal(whole.status, 200);
    assert.equal(whole.sha256, output!.sha256);
    assert.equal(whole.headers["etag"], `"${output!.sha256}"`);
    assert.equal(whole.headers["accept-ranges"], "bytes");
    assert.match(whole.headers["content-disposition"]!, /^attachment; filename=/);

    const part = await page.evaluate(send, {
      url: artifact,
      headers: { ...headers, Range: "bytes=10-109", "If-Range": whole.headers["etag"] },
    });
    assert.equal(part.status, 206);
    assert.equal(part.headers["content-range"], `bytes 10-109/${output!.size_bytes}`);
    assert.equal(part.sha256, sha256(Buffer.from(whole.text).subarray(10, 110)));
    assert.deepEqual(complaints, []);
  });

  it("waits for a workflow, and asks whether it has changed", async () => {
    const { page } = await openSite();
    const headers = bearer("alice-key");
    const submitted = await page.evaluate(send, {
      url: `${gateway().url}/v1/workflows`,
      method: "POST",
      headers: { ...headers, ...json },
      body: oneStep,
    });
    const url = `${gateway().url}/v1/workflows/${JSON.parse(submitted.text).id}`;
    const waited = await page.evaluate(send, { url, headers: { ...headers, Prefer: "wait=10" } });
    assert.equal(waited.headers["preference-applied"], "wait=10");
    assert.equal(JSON.parse(waited.text).state, "SUCCEEDED");
    const { etag } = waited.headers;
    const again = await page.evaluate(send, { url, headers: { ...headers, "If-None-Match": etag! } });
    assert.deepEqual([again.status, again.headers["etag"], again.length], [304, etag, 0]);
  });

  for (const [status, code, token, body] of [
    [401, "UNAUTHENTICATED", "nobody's", oneStep],
    [400, "INVALID_ARGUMENT", "alice-key", { name: "" }],
  ] as const)
    it(`reads the error of a ${status} response`, async () => {
      const { page } = await openSite();
      const response = await page.evaluate(send, {
        url: `${gateway().url}/v1/workflows`,
        method: "POST",
        headers: { ...bearer(token), ...json },
        body,
      });
      assert.equal(response.status, status);
      assert.equal(JSON.parse(response.text).code, code);
      assert.equal(response.headers["www-authenticate"], status === 401 ? "Bearer" : undefined);
    });

  it("gets nothing, and submits nothing, where its origin is not allowed", async () => {
    const { page } = await openSite(stranger());
    const submissions = sandbox().calls.get("SubmitWorkflow");
    const headers = { ...bearer("alice-key"), ...json };
    for (const request of [
      { url: `${gateway().url}/v1/workflows`, method: "POST", headers, body: oneStep },
      { url: `${gateway().url}/v1/workflows`, headers },
      // Sent without a preflight; the browser withholds the response.
      { url: `${gateway().url}/v1/healthz` },
    ])
      await assert.rejects(page.evaluate(send, request), /TypeError: Failed to fetch/);
    assert.equal(sandbox().calls.get("SubmitWorkflow"), submissions);
  });

  describe("where every origin is allowed", () => {
    const open = suite(() => startTestGateway({ ...settingsFor(sandbox()), CORS_ALLOWED_ORIGINS: "*" }));

    it("submits, whoever served it", async () => {
      for (const { url: origin } of [site(), stranger()]) {
        const { page, errors: complaints } = await openSite({ ...site(), url: origin });
        const response = await page.evaluate(send, {
          url: `${open().url}/v1/workflows`,
          method: "POST",
          headers: { ...bearer("alice-key"), ...json },
          body: oneStep,
        });
        assert.equal(response.status, 201);
        assert.match(response.headers["location"]!, /^\/v1\/workflows\//);
        assert.deepEqual(complaints, []);
      }
    });
  });
});
