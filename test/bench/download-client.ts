import { once } from "node:events";
import { get } from "node:http";
import type { IncomingMessage, OutgoingHttpHeaders } from "node:http";
import { setTimeout } from "node:timers/promises";
import { mebibyte } from "./download-objects.ts";

/** Where a file is downloaded from. */
export interface Source {
  readonly url: string;
  readonly headers?: OutgoingHttpHeaders;
}

/** Downloads a file and discards it; rejects when the transfer fails or is not this long. */
export async function download(source: Source, mebibytes: number): Promise<void> {
  const response = await open(source);
  let received = 0;
  response.on("data", (chunk: Buffer) => (received += chunk.length));
  await once(response, "end");
  if (received !== mebibytes * mebibyte) throw new Error(`${source.url} was ${received} bytes`);
}

/**
 * Begins `count` downloads at once. Every second one stops after its first bytes; the others read what is
 * buffered every 100 ms. All disconnect after `ms`. Rejects when a transfer has failed by then.
 */
export async function downloadSlowly(source: Source, count: number, ms: number): Promise<void> {
  const responses = await Promise.all(Array.from({ length: count }, () => open(source)));
  await Promise.all(responses.map((response) => once(response, "readable")));
  const readers = responses.filter((_response, index) => index % 2 === 0);
  const reading = setInterval(() => readers.forEach((response) => void response.read()), 100);
  await setTimeout(ms);
  clearInterval(reading);
  if (responses.some(({ destroyed }) => destroyed)) throw new Error(`${source.url} broke off`);
  for (const response of responses) response.on("error", () => undefined).destroy();
}

async function open({ url, headers = {} }: Source): Promise<IncomingMessage> {
  const request = get(url, { headers });
  const [response] = (await once(request, "response")) as [IncomingMessage];
  if (response.statusCode !== 200) throw new Error(`${url} returned ${response.statusCode}`);
  return response;
}
