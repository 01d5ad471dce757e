import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { freePort } from "../drain/haproxy.ts";
import type { Identity } from "../support/certificates.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { sendTls } from "./tls-client.ts";

/** Where a proxy under test listens, what it serves, and whom it calls. */
interface Place {
  readonly folder: string;
  readonly httpPort: number;
  readonly httpsPort: number;
  /** `host:port` of the gateway. */
  readonly gateway: string;
}

/** A proxy with a configuration in deploy/proxies. */
export interface ProxyProgram {
  readonly name: string;
  /** The configuration, in deploy/proxies. */
  readonly file: string;
  /** Undefined if it is not installed. */
  readonly program: string | undefined;
  /** Such as `2.6.12`. */
  readonly version: string;
  /** What a test replaces in the configuration. Each text must be in it once. */
  readonly replacements: (place: Place) => Readonly<Record<string, string>>;
  /** Writes what else the program needs. Returns its arguments. */
  readonly args: (file: string, place: Place) => string[];
  /** Ends it, and the processes that it has started, whatever requests it serves. */
  readonly stopSignal: "SIGTERM" | "SIGKILL";
  readonly hasHealthCheck: boolean;
  /** Finds the seconds that it waits for a response. */
  readonly readTimeout: RegExp;
}

/** The first of these that runs, with its version. Debian puts some where not every PATH leads. */
function find(versionArg: string, ...programs: string[]): Pick<ProxyProgram, "program" | "version"> {
  for (const program of programs) {
    const { status, stdout, stderr } = spawnSync(program, [versionArg], { encoding: "utf8" });
    if (status === 0) return { program, version: /\d+\.\d+\.\d+/.exec(stdout + stderr)?.[0] ?? "" };
  }
  return { program: undefined, version: "" };
}

const certificateFile = "fullchain.pem";
const keyFile = "privkey.pem";
const bothFile = "both.pem";
const accessLogFile = "access.log";

export const proxyPrograms: readonly ProxyProgram[] = [
  {
    name: "nginx",
    file: "nginx.conf",
    ...find("-v", "nginx", "/usr/sbin/nginx"),
    replacements: ({ folder, httpPort, httpsPort, gateway }) => ({
      "server 127.0.0.1:8080;": `server ${gateway};`,
      "listen 80;": `listen 127.0.0.1:${httpPort};`,
      "listen 443 ssl http2;": `listen 127.0.0.1:${httpsPort} ssl http2;`,
      "/etc/ssl/foldforge/fullchain.pem": join(folder, certificateFile),
      "/etc/ssl/foldforge/privkey.pem": join(folder, keyFile),
      "/var/log/nginx/foldforge.log": join(folder, accessLogFile),
    }),
    args(file, { folder }) {
      const main = join(folder, "main.conf");
      const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
        (name) => `${name}_temp_path ${folder}/${name};`,
      );
      writeFileSync(
        main,
        `daemon off;\npid ${folder}/nginx.pid;\nerror_log stderr;\nevents {}\n` +
          `http {\n${temporary.join("\n")}\ninclude ${file};\n}\n`,
      );
      return ["-c", main, "-p", folder];
    },
    stopSignal: "SIGTERM",
    hasHealthCheck: false,
    readTimeout: /proxy_read_timeout (\d+)s/g,
  },
  {
    name: "HAProxy",
    file: "haproxy.cfg",
    ...find("-v", "haproxy", "/usr/sbin/haproxy"),
    replacements: ({ folder, httpPort, httpsPort, gateway }) => ({
      "server gateway1 127.0.0.1:8080": `server gateway1 ${gateway}`,
      "bind :80\n": `bind 127.0.0.1:${httpPort}\n`,
      "bind :443 ": `bind 127.0.0.1:${httpsPort} `,
      "/etc/haproxy/foldforge.pem": join(folder, bothFile),
    }),
    args: (file) => ["-db", "-f", file],
    stopSignal: "SIGKILL",
    hasHealthCheck: true,
    readTimeout: /timeout (?:client|server) (\d+)s/g,
  },
  {
    name: "Caddy",
    file: "Caddyfile",
    ...find("version", process.env["CADDY"] || "caddy"),
    replacements: ({ folder, httpPort, httpsPort, gateway }) => ({
      "\napi.example.com {": `
{
	admin off
	http_port ${httpPort}
	https_port ${httpsPort}
	default_bind 127.0.0.1
}
api.example.com:${httpsPort} {`,
      "reverse_proxy 127.0.0.1:8080": `reverse_proxy ${gateway}`,
      "/etc/caddy/fullchain.pem": join(folder, certificateFile),
      "/etc/caddy/privkey.pem": join(folder, keyFile),
    }),
    args: (file) => ["run", "--config", file, "--adapter", "caddyfile"],
    stopSignal: "SIGKILL",
    hasHealthCheck: true,
    readTimeout: /response_header_timeout (\d+)s/g,
  },
];

/** The name in the configurations. */
export const publicName = "api.example.com";

/** A running proxy. */
export interface RunningProxy extends AsyncDisposable {
  readonly httpPort: number;
  readonly httpsPort: number;
  /** What it has logged so far. */
  log(): string;
}

/** Starts one with its configuration of deploy/proxies in front of `gateway`. Resolves when the gateway responds. */
export async function startProxy(
  { program, file, replacements, args, stopSignal }: ProxyProgram,
  gateway: string,
  { cert, key }: Identity,
  ca: string,
): Promise<RunningProxy> {
  assert.ok(program);
  const folder = temporaryFolder();
  const place: Place = {
    folder: folder.path,
    httpPort: await freePort(),
    httpsPort: await freePort(),
    gateway: new URL(gateway).host,
  };
  writeFileSync(join(folder.path, certificateFile), cert);
  writeFileSync(join(folder.path, keyFile), key);
  writeFileSync(join(folder.path, bothFile), `${cert}\n${key}`);
  let text = readFileSync(join("deploy/proxies", file), "utf8");
  for (const [from, to] of Object.entries(replacements(place))) {
    assert.equal(text.split(from).length, 2, from);
    text = text.replace(from, () => to);
  }
  const path = join(folder.path, file);
  writeFileSync(path, text);

  const child = spawn(program, args(path, place), {
    env: { ...process.env, HOME: folder.path },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const ended = once(child, "close");
  let said = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (part: string) => (said += part));

  async function close(): Promise<void> {
    child.kill(stopSignal);
    await ended;
    folder[Symbol.dispose]();
  }

  const { httpPort, httpsPort } = place;
  try {
    // No proxy notifies when it serves.
    for (;;) {
      const response = await sendTls("http/1.1", httpsPort, ca, "/v1/healthz").catch(() => undefined);
      await response?.body?.cancel();
      if (response?.status === 200) break;
      if (child.exitCode !== null) throw new Error(`it has ended: ${said}`);
      await delay(20);
    }
  } catch (error) {
    await close();
    throw error;
  }
  const accessLog = join(folder.path, accessLogFile);
  return {
    httpPort,
    httpsPort,
    log: () => said + (existsSync(accessLog) ? readFileSync(accessLog, "utf8") : ""),
    [Symbol.asyncDispose]: close,
  };
}
