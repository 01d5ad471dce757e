import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { freePort } from "../drain/haproxy.ts";
import { suite } from "../support/gateway.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { until } from "../support/until.ts";
import { startUpstream } from "../support/upstream.ts";
import { poolClient } from "./transports.ts";
import type { PoolClient } from "./transports.ts";

const nginx = ["nginx", "/usr/sbin/nginx"].find((program) => spawnSync(program, ["-v"]).status === 0);

/** A proxy between client and server; `reload` makes it replace its processes. */
interface Proxy extends AsyncDisposable {
  readonly url: string;
  readonly reload: () => void;
}

/** An nginx that ends each connection by GOAWAY after 100 requests. */
function configuration(port: number, target: string, folder: string): string {
  const folders = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
  return `daemon off;
pid ${folder}/nginx.pid;
error_log ${folder}/error.log;
events {}
http {
  access_log off;
  ${folders.map((name) => `${name}_temp_path ${folder}/${name};`).join("\n  ")}
  server {
    listen 127.0.0.1:${port} http2;
    client_max_body_size 16m;
    keepalive_requests 100;
    location / { grpc_pass grpc://${target}; }
  }
}
`;
}

/** Starts nginx in front of the server at `url`. */
async function startProxy(url: string): Promise<Proxy> {
  const folder = temporaryFolder();
  const file = join(folder.path, "configuration");
  const port = await freePort();
  writeFileSync(file, configuration(port, new URL(url).host, folder.path));
  const child = spawn(nginx!, ["-c", file, "-p", folder.path], { stdio: ["ignore", "ignore", "pipe"] });
  const said = text(child.stderr);
  const ended = once(child, "close");
  while (!(await accepts(port))) if (child.exitCode !== null) throw new Error(`nginx ended: ${await said}`);
  return {
    url: `http://127.0.0.1:${port}`,
    reload: () => void child.kill("SIGHUP"),
    async [Symbol.asyncDispose]() {
      child.kill();
      await ended;
      folder[Symbol.dispose]();
    },
  };
}

async function accepts(port: number): Promise<boolean> {
  const socket = connect(port, "127.0.0.1");
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

describe("SessionPool behind nginx", () => {
  before(function () {
    if (nginx !== undefined) return;
    console.log("      skipped: nginx is not installed");
    this.skip();
  });

  const upstream = suite(() =>
    startUpstream({
      getWorkflow: ({ workflowId }) => ({ id: workflowId }),
      async *streamWorkflowEvents({ workflowId }) {
        for (let count = 0; count < 300; count += 1) yield { workflowId };
        await Promise.resolve();
      },
    }),
  );

  async function startPair(): Promise<
    AsyncDisposable & Pick<PoolClient, "client"> & { readonly proxy: Proxy }
  > {
    const proxy = await startProxy(upstream().url);
    const { client, close } = poolClient(proxy.url);
    return {
      client,
      proxy,
      async [Symbol.asyncDispose]() {
        await close();
        await proxy[Symbol.asyncDispose]();
      },
    };
  }

  it("sends and receives messages of up to 4 MiB", async () => {
    await using pair = await startPair();
    for (const length of [0, 1, 16_384, 65_535, 65_536, 1_000_000, 4 * 1024 * 1024 - 100]) {
      const workflowId = "x".repeat(length);
      const responses = Array.from({ length: 4 }, () => pair.client.getWorkflow({ workflowId }));
      for (const { id } of await Promise.all(responses)) assert.ok(id === workflowId, `${length} bytes`);
    }
  });

  it("receives whole streams", async () => {
    await using pair = await startPair();
    const counts = Array.from({ length: 10 }, async () => {
      let count = 0;
      for await (const { workflowId } of pair.client.streamWorkflowEvents({ workflowId: "x".repeat(1000) }))
        count += workflowId.length;
      return count;
    });
    for (const count of await Promise.all(counts)) assert.equal(count, 300_000);
  });

  it("loses no read when connections end by GOAWAY, nor when the proxy is reloaded", async () => {
    await using pair = await startPair();
    let reads = 0;
    const readMany = async () => {
      for (let count = 0; count < 60; count += 1) {
        assert.equal((await pair.client.getWorkflow({ workflowId: "w1" })).id, "w1");
        reads += 1;
      }
    };
    const all = Promise.all(Array.from({ length: 16 }, readMany));
    for (const enough of [100, 300, 500]) {
      await Promise.race([all, until(() => reads >= enough)]);
      pair.proxy.reload();
    }
    await all;
  });
});
