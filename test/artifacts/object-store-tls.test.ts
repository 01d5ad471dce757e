import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { Code } from "@connectrpc/connect";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import { createObjectStore } from "../../src/artifacts/object-store.ts";
import { watchCertificates } from "../../src/settings/certificates.ts";
import { createLogger } from "../../src/telemetry/logger.ts";
import { until } from "../support/until.ts";
import { createAuthority } from "../support/certificates.ts";
import type { Identity } from "../support/certificates.ts";
import { wholeShares } from "../support/key-shares.ts";
import { describeWithS3, s3Settings } from "../support/s3-servers.ts";
import { sha256, workflowIn } from "../support/samples.ts";
import { startDisposableStack } from "../support/stack.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { startTlsFront } from "../support/tls-front.ts";

const authority = await createAuthority("ours");
const stranger = await createAuthority("another");
const { signal } = new AbortController();
const bytes = Buffer.from("ATOM      1  N   GLY A   1\n");
const key = "artifacts/behind-tls.pdb";

/** A file of certificate authorities, which is removed at the end of its block. */
function authorityFile(text: string) {
  const folder = temporaryFolder();
  const path = join(folder.path, "ca.pem");
  writeFileSync(path, text);
  return {
    path,
    hold: (text: string) => writeFileSync(path, text),
    [Symbol.dispose]: () => folder[Symbol.dispose](),
  };
}

describeWithS3("createObjectStore, over TLS", (server) => {
  async function front(identity: Identity) {
    await server().put(key, bytes, "chemical/x-pdb");
    const started = await startTlsFront(server().access.endpoint, { ...identity, alpn: "http/1.1" });
    return { ...started, [Symbol.asyncDispose]: () => started.close() };
  }

  for (const [who, issuer, name, isTrusted] of [
    ["by an authority in R2_CA_FILE", authority, "store.test", true],
    ["by another authority", stranger, "store.test", false],
    ["for another name", authority, "nowhere", false],
  ] as const)
    it(`${isTrusted ? "serves a download" : "returns 503 and logs the cause"} with a certificate ${who}`, async () => {
      await using store = await front(await issuer.issue(name));
      using file = authorityFile(authority.cert);
      const output = {
        uri: `r2://${server().access.bucket}/${key}`,
        contentType: "chemical/x-pdb",
        sizeBytes: BigInt(bytes.length),
        sha256: sha256(bytes),
      };
      await using stack = await startDisposableStack(
        { getWorkflow: () => workflowIn(JobState.SUCCEEDED, [output]) },
        { ...s3Settings(server().access, store.url), R2_CA_FILE: file.path },
      );
      const { gateway } = stack;
      const response = await gateway.fetch(`/v1/workflows/w1/artifacts/${key}`);
      const body = await response.text();
      if (isTrusted) return assert.deepEqual([response.status, body], [200, bytes.toString()]);
      assert.equal(response.status, 503);
      assert.deepEqual(JSON.parse(body).message, "internal server error");
      const { err } = gateway.logs.find(({ event }) => event === "request.failed") as { err?: unknown };
      assert.match(
        JSON.stringify(err),
        name === "nowhere" ? /IP: 127\.0\.0\.1 is not/ : /unable to verify|self-signed/,
      );
    });

  it("verifies each new connection with the certificate authorities in the file at the time", async () => {
    await using store = await front(await authority.issue("store.test"));
    using file = authorityFile(stranger.cert);
    const lines: string[] = [];
    const logger = createLogger({ write: (line) => void lines.push(line) });
    const logged = (event: string, times: number) =>
      until(
        () =>
          lines.filter((line) => line.includes(`"event":"${event}","server":"object_store"`)).length ===
          times,
      );
    const files = watchCertificates({ ca: file.path }, { server: "object_store", logger, refreshMs: 5 });
    const { open, close } = createObjectStore(
      {
        ...server().access,
        endpoint: store.url,
        connectTimeoutMs: 30_000,
        readTimeoutMs: 30_000,
        maxDownloads: 10,
      },
      wholeShares("downloads"),
      undefined,
      files.secureContext,
    );
    const read = async () => buffer((await open(key, { signal }))!.body);
    await assert.rejects(read(), { code: Code.Unavailable });

    file.hold(authority.cert);
    await logged("certificates.reloaded", 1);
    assert.deepEqual(await read(), bytes);
    file.hold("nonsense");
    await logged("certificates.rejected", 1);
    store.dropConnections();
    assert.deepEqual(await read(), bytes);

    // A cached TLS session would be resumed here.
    file.hold(stranger.cert);
    await logged("certificates.reloaded", 2);
    store.dropConnections();
    await assert.rejects(read(), { code: Code.Unavailable });
    close();
    files.close();
  });
});
