import type { ChildProcess } from "node:child_process";
import { subscribe } from "node:diagnostics_channel";
import { once } from "node:events";
import type { Server, Socket } from "node:net";
import type { Worker } from "node:worker_threads";
import { descendantsOf, kill } from "../run/run-processes.ts";

/** An open resource: its index in the order of opening, and how to close it. */
interface OpenResource {
  readonly index: number;
  readonly isConnection: boolean;
  readonly close: () => unknown;
}

const open = new Map<object, OpenResource>();
let opened = 0;

function add(resource: object, close: () => unknown, isConnection = false): void {
  open.set(resource, { index: ++opened, isConnection, close });
}

/**
 * Has `close` called at the end of the test, or of the suite whose hook calls this, unless the function that is returned
 * was called before. Processes, threads, servers and connections of Node need no such call.
 */
export function closeAtEnd(close: () => unknown): () => void {
  add(close, close);
  return () => open.delete(close);
}

/** The index of the resource that is opened next; see `closeSince`. */
export function nextIndex(): number {
  return opened + 1;
}

/**
 * Closes the open resources from `index` on, the last first. Connections stay, since a pool may use them
 * again, unless `withConnections`.
 */
export async function closeFrom(index: number, { withConnections = false } = {}): Promise<void> {
  const left = [...open].filter(([, it]) => it.index >= index && (withConnections || !it.isConnection));
  for (const [resource] of left) open.delete(resource);
  // What fails to close was closed before.
  await Promise.allSettled(left.reverse().map(async ([, { close }]) => await close()));
}

/** Tracks the resources that this process opens from now on. */
export function trackResources(): void {
  subscribe("child_process", (message) => {
    const { process: child } = message as { process: ChildProcess };
    add(child, () => killTree(child));
    child.once("exit", () => open.delete(child));
  });
  subscribe("worker_threads", (message) => {
    const { worker } = message as { worker: Worker };
    add(worker, () => worker.terminate());
    worker.once("exit", () => open.delete(worker));
  });
  subscribe("tracing:net.server.listen:asyncStart", (message) => {
    const { server } = message as { server: Server };
    // Its port is free then; its connections are tracked separately.
    add(server, () => void server.close());
    server.once("close", () => open.delete(server));
  });
  for (const channel of ["net.client.socket", "net.server.socket"]) {
    subscribe(channel, (message) => {
      const { socket } = message as { socket: Socket };
      add(socket, () => destroy(socket), true);
      socket.once("close", () => open.delete(socket));
    });
  }
}

/** Kills a process, the group that it leads and its descendants. */
async function killTree(child: ChildProcess): Promise<void> {
  const { pid, exitCode, signalCode } = child;
  if (pid === undefined || exitCode !== null || signalCode !== null) return;
  const exited = once(child, "exit");
  for (const each of [pid, ...descendantsOf(pid)]) {
    kill(-each);
    kill(each);
  }
  await exited;
}

async function destroy(socket: Socket): Promise<void> {
  const closed = new Promise((resolve) => socket.once("close", resolve));
  socket.destroy();
  await closed;
}
