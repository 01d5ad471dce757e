import { spawn } from "node:child_process";
import { withCoverage } from "../support/environment.ts";
import { once } from "node:events";
import { readdir } from "node:fs/promises";
import { createServer as createHttpServer } from "node:http";
import type { RequestListener, ServerResponse } from "node:http";
import { connect, createServer } from "node:net";
import type { AddressInfo, Server, Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { startSandbox } from "../../src/sandbox/start-sandbox.ts";
import { testSettings } from "../sandbox/support.ts";
import { startTestGateway } from "../support/gateway.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

/** Something that can be called at an URL, until it is closed. */
export interface Service extends AsyncDisposable {
  readonly url: string;
  close(): Promise<void>;
}

/** An API key of the sandbox that `startDemoGateway` starts. */
export const demoKey = "alice-key";

/** A gateway in front of a sandbox. */
export async function startDemoGateway(stepSeconds = 0): Promise<Service> {
  const sandbox = await startSandbox({ ...testSettings, stepSeconds });
  const gateway = await startTestGateway({
    ORCHESTRATOR_ENDPOINT: sandbox.orchestratorUrl,
    R2_ENDPOINT: sandbox.objectStoreUrl,
    R2_ACCESS_KEY_ID: "any",
    R2_SECRET_ACCESS_KEY: "any",
    API_KEYS_ENABLED: "true",
  });
  return serviceOf(gateway.url, async () => {
    await gateway.close();
    await sandbox.close();
  });
}

function serviceOf(url: string, close: () => Promise<void>): Service {
  return { url, close, [Symbol.asyncDispose]: close };
}

/** Starts an HTTP server that handles each request with `listener`. */
export function startHttp(listener: RequestListener): Promise<Service> {
  return serve(createHttpServer(listener));
}

/** Forwards bytes to `target`. `back` maps each chunk that returns; `cut` closes the connection after that chunk. */
export function startProxy(
  target: string,
  back: (chunk: Buffer, cut: () => void) => Buffer,
): Promise<Service> {
  const { hostname, port } = new URL(target);
  return serve(
    createServer((client) => {
      const upstream = connect(Number(port), hostname);
      client.on("error", () => upstream.destroy()).on("close", () => upstream.destroy());
      upstream.on("error", () => client.destroy()).on("close", () => client.destroy());
      client.pipe(upstream);
      upstream.on("data", (chunk: Buffer) => {
        let isCut = false;
        const passed = back(chunk, () => (isCut = true));
        client.write(passed, () => isCut && client.destroy());
      });
    }),
  );
}

async function serve(server: Server): Promise<Service> {
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return serviceOf(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, async () => {
    if (!server.listening) return;
    const closed = new Promise((resolve) => server.close(resolve));
    for (const socket of sockets) socket.destroy();
    await closed;
  });
}

/** The program. */
export const demoFile = fileURLToPath(new URL("../../src/demo/main.ts", import.meta.url));

/** Starts the demo against `url`. */
export function startDemo(url: string, downloads = tmpdir(), apiKey = demoKey) {
  const settings = { FOLDFORGE_URL: url, FOLDFORGE_API_KEY: apiKey, FOLDFORGE_DOWNLOADS: downloads };
  const demo = spawn(process.execPath, [demoFile], {
    env: { ...process.env, ...withCoverage, ...settings },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const { stdout }: { stdout: Readable } = demo;
  return {
    stdout,
    ended: Promise.all([once(demo, "close"), text(stdout), text(demo.stderr)]).then(
      ([[code], said, complaint]) => ({ code: code as number | null, stdout: said, stderr: complaint }),
    ),
  };
}

/** Responds with JSON. */
export function sendJson(res: ServerResponse, status: number, body: unknown, headers = {}): void {
  res.writeHead(status, { "Content-Type": "application/json", ...headers }).end(JSON.stringify(body));
}

/** Runs `body` with a folder that is gone afterwards. */
export async function withFolder(body: (folder: string) => Promise<void>): Promise<void> {
  using folder = temporaryFolder();
  await body(folder.path);
}

/** The paths of all files in `folder` and below. */
export async function filesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name));
}
