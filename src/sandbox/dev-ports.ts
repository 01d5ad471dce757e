import { once } from "node:events";
import { createServer } from "node:net";
import { hostPort } from "./listen.ts";
import type { Address } from "./settings.ts";

/** The addresses that programs will listen on, by the setting of each; undefined for one that is not valid. */
export type ListenAddresses = Readonly<Record<string, Address | undefined>>;

/** One line about every address that is in use, with the settings to change; undefined if there is none. */
export async function describeTakenPorts(addresses: ListenAddresses): Promise<string | undefined> {
  const taken: string[] = [];
  for (const [setting, address] of Object.entries(addresses))
    if (address !== undefined && (await isTaken(address))) taken.push(`${hostPort(address)} (${setting})`);
  if (taken.length === 0) return undefined;
  return `already in use: ${taken.join(", ")}; stop what listens there, such as another \`make dev\`, or set other addresses`;
}

async function isTaken({ host, port }: Address): Promise<boolean> {
  const server = createServer().listen(port, host);
  try {
    await once(server, "listening");
  } catch (error) {
    // The program itself reports any other reason.
    return (error as NodeJS.ErrnoException).code === "EADDRINUSE";
  }
  server.close();
  await once(server, "close");
  return false;
}
