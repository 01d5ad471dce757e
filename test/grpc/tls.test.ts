import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Code } from "@connectrpc/connect";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import { createLogger } from "../../src/telemetry/logger.ts";
import { createAuthority } from "../support/certificates.ts";
import type { Identity } from "../support/certificates.ts";
import { startTestGateway, suite } from "../support/gateway.ts";
import { connectTo } from "../support/orchestrator.ts";
import { stepEvent, workflowEvent, workflowIn } from "../support/samples.ts";
import { deferred } from "../support/stack.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { startTlsFront } from "../support/tls-front.ts";
import { startUpstream } from "../support/upstream.ts";
import { until } from "../support/until.ts";

const authority = await createAuthority("ours");
const stranger = await createAuthority("another");
const server = await authority.issue("orchestrator.test");
const unavailable = { code: Code.Unavailable };

/** Files for TLS, deleted at the end of the block. */
function pemFiles() {
  const folder = temporaryFolder();
  const at = (name: string) => join(folder.path, `${name}.pem`);
  const paths = { ca: at("ca"), cert: at("cert"), key: at("key") };
  writeFileSync(paths.ca, authority.cert);
  return {
    paths,
    show({ cert, key }: Identity) {
      writeFileSync(paths.cert, cert);
      writeFileSync(paths.key, key);
    },
    [Symbol.dispose]: () => folder[Symbol.dispose](),
  };
}

describe("createOrchestrator with TLS", () => {
  const upstream = suite(() => startUpstream({ getWorkflow: ({ workflowId }) => ({ id: workflowId }) }));

  async function startFront(
    options: Identity & { readonly ca?: string; readonly host?: string; readonly port?: number },
  ) {
    const started = await startTlsFront(upstream().url, options);
    return { ...started, [Symbol.asyncDispose]: () => started.close() };
  }

  it("trusts only the authority in the file", async () => {
    using files = pemFiles();
    await using ours = await startFront(server);
    await using theirs = await startFront(await stranger.issue("orchestrator.test"));
    const ca = files.paths.ca;
    for (const [url, tls, isTrusted] of [
      [ours.url, { ca }, true],
      [theirs.url, { ca }, false],
      [ours.url, undefined, false],
    ] as const) {
      const { client, close } = connectTo([url], { tls });
      if (isTrusted) assert.equal((await client.getWorkflow({ workflowId: "w1" })).id, "w1");
      else await assert.rejects(client.getWorkflow({}), unavailable);
      close();
    }
  });

  it("requires a certificate of the name for every resolved address", async () => {
    using files = pemFiles();
    await using one = await startFront({ ...server, host: "127.0.0.2" });
    await using two = await startFront({ ...server, host: "127.0.0.3", port: one.port });
    await using wrong = await startFront(await authority.issue("nowhere"));
    const tls = { ca: files.paths.ca };
    const lookUp = () => Promise.resolve(["127.0.0.2", "127.0.0.3"]);
    const { client, close } = connectTo([`https://orchestrator.test:${one.port}`], { tls, lookUp });
    for (let i = 0; i < 10; i++) await client.getWorkflow({});
    for (const { clients } of [one, two]) assert.equal(clients[0]?.calledBy, "orchestrator.test");
    close();
    const other = connectTo([wrong.url], { tls });
    await assert.rejects(other.client.getWorkflow({}), unavailable);
    other.close();
  });

  it("presents the client certificate", async () => {
    using files = pemFiles();
    files.show(await authority.issue("gateway.test"));
    await using strict = await startFront({ ...server, ca: authority.cert });
    const known = connectTo([strict.url], { tls: files.paths });
    await known.client.getWorkflow({});
    assert.deepEqual(
      strict.clients.map(({ name }) => name),
      ["gateway.test"],
    );
    known.close();
    const unknown = connectTo([strict.url], { tls: { ca: files.paths.ca } });
    await assert.rejects(unknown.client.getWorkflow({}), unavailable);
    unknown.close();
  });

  it("uses changed files for new calls, while calls in progress continue", async () => {
    using files = pemFiles();
    const old = await authority.issue("old.test");
    files.show(old);
    await using strict = await startFront({ ...server, ca: authority.cert });
    const mayEnd = deferred();
    upstream().rpcs.streamWorkflowEvents = async function* () {
      yield stepEvent(1n);
      await mayEnd.promise;
      yield workflowEvent(2n, JobState.SUCCEEDED);
    };
    const lines: string[] = [];
    const logger = createLogger({ write: (line) => void lines.push(line) });
    const logged = (event: string, times: number) =>
      until(() => lines.filter((line) => line.includes(`"event":"${event}"`)).length === times);
    const { client, close } = connectTo([strict.url], { tls: files.paths, refreshMs: 5, logger });
    const events = client.streamWorkflowEvents({})[Symbol.asyncIterator]();
    await events.next();
    await client.getWorkflow({});

    const fresh = await authority.issue("new.test");
    files.show({ ...old, cert: "" });
    await logged("certificates.rejected", 1);
    files.show(old);
    await logged("certificates.reloaded", 1);
    // The two files are written one after the other.
    writeFileSync(files.paths.cert, fresh.cert);
    await logged("certificates.rejected", 2);
    await client.getWorkflow({});
    assert.deepEqual(
      strict.clients.map(({ name }) => name),
      ["old.test", "old.test"],
    );
    writeFileSync(files.paths.key, fresh.key);
    await logged("certificates.reloaded", 2);
    await client.getWorkflow({});
    assert.deepEqual(
      strict.clients.map(({ name }) => name),
      ["old.test", "old.test", "new.test"],
    );
    mayEnd.resolve();
    assert.equal((await events.next()).value?.eventId, 2n);
    assert.equal((await events.next()).done, true);
    assert.equal(lines.filter((line) => line.includes("certificates.")).length, 4);
    assert.ok(!lines.join().includes("PRIVATE KEY"));
    const told = lines.filter((line) => line.includes("certificates."));
    assert.ok(told.every((line) => line.includes('"server":"orchestrator"')));
    close();
  });

  it("reads the files that the settings name", async () => {
    using files = pemFiles();
    files.show(await authority.issue("gateway.test"));
    await using strict = await startFront({ ...server, ca: authority.cert });
    upstream().rpcs.getWorkflow = () => workflowIn(JobState.RUNNING);
    const gateway = await startTestGateway({
      ORCHESTRATOR_ENDPOINT: strict.url,
      ORCHESTRATOR_CA_FILE: files.paths.ca,
      ORCHESTRATOR_CLIENT_CERT_FILE: files.paths.cert,
      ORCHESTRATOR_CLIENT_KEY_FILE: files.paths.key,
    });
    assert.equal((await gateway.fetch("/v1/workflows/w1")).status, 200);
    await gateway.close();
  });
});
