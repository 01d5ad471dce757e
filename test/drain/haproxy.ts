import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { setTimeout as delay } from "node:timers/promises";
import { temporaryFolder } from "../support/temporary-folder.ts";

/** The program; undefined where it is not installed. Debian puts it where not every PATH leads. */
export function findHaproxy(): string | undefined {
  return ["haproxy", "/usr/sbin/haproxy"].find((program) => spawnSync(program, ["-v"]).status === 0);
}

/** What HAProxy says of one server: the columns of its `show stat`, by their names. */
export type ServerStats = ReadonlyMap<string, string>;

/** A HAProxy in front of gateways, as a process of its own. */
export interface Haproxy {
  readonly url: string;
  stats(server: string): Promise<ServerStats>;
  /** Resolves once HAProxy sends requests to this server. */
  isUp(server: string): Promise<void>;
  close(): Promise<void>;
}

/** Gateways by the names that HAProxy gives them: origins such as `http://127.0.0.1:1234`. */
export type Servers = Readonly<Record<string, string>>;

/**
 * A configuration as a deployment has it, with checks that are closer together. HAProxy's defaults hold for the
 * rest: it tries to connect again, and never repeats a request.
 */
export function configuration(port: number, statsSocket: string, servers: Servers): string {
  const lines = Object.entries(servers).map(([name, url]) => `  server ${name} ${new URL(url).host}`);
  return `global
  stats socket ${statsSocket} level operator

defaults
  mode http
  timeout connect 2s
  # An event stream is silent for 15 s at most.
  timeout client 60s
  timeout server 60s
  timeout http-keep-alive 10s

frontend public
  bind 127.0.0.1:${port}
  default_backend gateways

backend gateways
  balance roundrobin
  http-reuse safe
  option httpchk GET /v1/readyz
  http-check expect status 200
  timeout check 10s
  # A gateway that drains is left after inter times fall; DRAIN_DELAY_SECONDS has to be longer.
  default-server check inter 100ms fall 1 rise 1
${lines.join("\n")}
`;
}

/** Starts it on a free port; resolves once it serves. */
export async function startHaproxy(
  program: string,
  servers: Servers,
  configure = configuration,
): Promise<Haproxy> {
  const folder = temporaryFolder();
  const file = join(folder.path, "haproxy.cfg");
  const statsSocket = join(folder.path, "stats.sock");
  const port = await freePort();
  writeFileSync(file, configure(port, statsSocket, servers));

  const child = spawn(program, ["-db", "-f", file], { stdio: ["ignore", "ignore", "pipe"] });
  const ended = once(child, "close");
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (part: string) => (said += part));

  async function stats(server: string): Promise<ServerStats> {
    const socket = connect(statsSocket);
    socket.write("show stat gateways 4 -1\n");
    const [head = [], ...rows] = (await text(socket)).split("\n").map((line) => line.split(","));
    const row = rows.find((cells) => cells[1] === server) ?? [];
    return new Map(head.map((name, i) => [name, row[i] ?? ""]));
  }

  /** Resolves once HAProxy reports the server as up; polls, since HAProxy does not notify. */
  async function isUp(server: string): Promise<void> {
    for (let attempt = 0; attempt < 500 && child.exitCode === null; attempt += 1) {
      const status = await stats(server).then(
        (found) => found.get("status"),
        () => undefined,
      );
      if (status === "UP") return;
      await delay(20);
    }
    throw new Error(`${server} is not up; HAProxy said: ${said}`);
  }

  async function close(): Promise<void> {
    child.kill();
    await ended;
    folder[Symbol.dispose]();
  }

  try {
    for (const server of Object.keys(servers)) await isUp(server);
  } catch (error) {
    await close();
    throw error;
  }
  return { url: `http://127.0.0.1:${port}`, stats, isUp, close };
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
