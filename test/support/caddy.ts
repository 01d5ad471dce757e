import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { freePort } from "../drain/haproxy.ts";
import { temporaryFolder } from "./temporary-folder.ts";

/** The program; undefined where it is not installed. CADDY names one that is not on the PATH. */
export function findCaddy(): string | undefined {
  const program = process.env["CADDY"] || "caddy";
  return spawnSync(program, ["version"]).status === 0 ? program : undefined;
}

/** Starts Caddy in front of the gateway at `target`; resolves once it serves. */
export async function startCaddy(
  program: string,
  target: string,
): Promise<AsyncDisposable & { readonly url: string }> {
  const folder = temporaryFolder();
  const url = `http://127.0.0.1:${await freePort()}`;
  const file = join(folder.path, "Caddyfile");
  const lines = [
    "{",
    "  admin off",
    "  auto_https off",
    "}",
    `${url} {`,
    `  reverse_proxy ${new URL(target).host}`,
    "}",
  ];
  writeFileSync(file, `${lines.join("\n")}\n`);
  const caddy = spawn(program, ["run", "--config", file, "--adapter", "caddyfile"], {
    // What it remembers goes there.
    env: { ...process.env, HOME: folder.path },
    stdio: ["ignore", "ignore", "pipe"],
  });
  const ended = once(caddy, "close");
  let log = "";
  for await (const line of createInterface(caddy.stderr)) {
    log += `${line}\n`;
    if (line.includes("serving initial configuration")) break;
  }
  caddy.stderr.resume();
  async function close() {
    caddy.kill();
    await ended;
    folder[Symbol.dispose]();
  }
  if (log.includes("serving initial configuration")) return { url, [Symbol.asyncDispose]: close };
  await close();
  throw new Error(`Caddy has not started: ${log}`);
}
