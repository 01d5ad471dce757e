import { Agent, request } from "node:http";
import type { IncomingMessage, RequestOptions } from "node:http";
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { sendText } from "../support/raw-http.ts";
import { threeSteps } from "../support/samples.ts";
import { ids, keys } from "./leaks-backend.ts";
import { adminToken } from "./processes.ts";

/** One request or stream, from its begin to its end; rejects when it ends in another way than it should. */
type Act = () => Promise<void>;

/** What a request may say beside its path. */
type SentOptions = Omit<RequestOptions, "headers"> & { readonly headers?: Readonly<Record<string, string>> };

/** How long a client waits before it leaves a request whose call is then under way, in milliseconds. */
const abandonAfterMs = 10;

/** Clients at once. */
const clients = 32;

/** Does `count` acts, each kind as often as the others. */
export async function repeat(kinds: readonly Act[], count: number): Promise<void> {
  let begun = 0;
  async function client() {
    while (begun < count) await kinds[begun++ % kinds.length]?.();
  }
  await Promise.all(Array.from({ length: clients }, client));
}

/** Unlike `once`, it minds no error. */
const closed = (stream: NodeJS.EventEmitter) => new Promise((resolve) => stream.once("close", resolve));

/** Every kind of request, and every way in which a stream ends, over connections that `close` closes. */
export function createClients(url: string) {
  const agent = new Agent({ keepAlive: true });
  const { hostname, port, host } = new URL(url);
  const json = { "Content-Type": "application/json" };
  const submission = JSON.stringify(threeSteps);
  let sent = 0;

  function begin(path: string, { headers = {}, ...options }: SentOptions = {}) {
    const token = sent++ % 2 === 0 ? adminToken : `key-${sent % 16}`;
    const all = { Authorization: `Bearer ${token}`, ...headers };
    const outgoing = request({ agent, hostname, port, path, ...options, headers: all });
    // Who waits for the response learns of it, and who has left need not.
    return outgoing.on("error", () => undefined);
  }

  /** The response to a request, once its head is there. */
  async function responseTo(status: number, path: string, options?: SentOptions, body = "") {
    const outgoing = begin(path, options).end(body);
    const [response] = (await once(outgoing, "response")) as [IncomingMessage];
    if (response.statusCode !== status) throw new Error(`${path} returned ${response.statusCode}`);
    return response;
  }

  const expect = (status: number, path: string, options?: SentOptions, body?: string) => async () => {
    await once((await responseTo(status, path, options, body)).resume(), "end");
  };

  /** Reads a response until it breaks off. */
  const expectBreak = (path: string) => async () => {
    const ended = once((await responseTo(200, path)).resume(), "end").then(() => true);
    if (await ended.catch(() => false)) throw new Error(`${path} did not break off`);
  };

  /** Leaves in the middle of a response. */
  const leave = (path: string) => async () => {
    const response = await responseTo(200, path);
    await once(response, "data");
    await closed(response.on("error", () => undefined).destroy());
  };

  /** Leaves before there is a response. */
  async function leaveEarly() {
    const outgoing = begin(`/v1/workflows/${ids.slow}`);
    outgoing.end();
    await delay(abandonAfterMs);
    await closed(outgoing.destroy());
  }

  const refused = (status: number, text: string) => async () => {
    const response = await sendText(url, text);
    if (!response.startsWith(`HTTP/1.1 ${status} `)) throw new Error(`not ${status}: ${response}`);
  };

  const workflow = (id: string) => `/v1/workflows/${id}`;
  const events = (id: string) => `${workflow(id)}/events`;
  const artifact = (key: string) => `${workflow(ids.read)}/artifacts/${key}`;
  const post = { method: "POST", headers: json };
  const announced = `POST /v1/workflows HTTP/1.1\r\nHost: ${host}\r\nAuthorization: Bearer ${adminToken}\r\n`;

  return {
    requests: [
      expect(200, workflow(ids.read)),
      expect(200, "/v1/workflows"),
      expect(201, "/v1/workflows", post, submission),
      expect(200, artifact(keys.whole)),
      expect(400, workflow("not%20an%20id")),
      expect(400, "/v1/workflows", post, "{}"),
      expect(401, workflow(ids.read), { headers: { Authorization: "Basic x" } }),
      expect(404, "/v1/nothing"),
      expect(404, artifact("other.pdb")),
      refused(413, `${announced}Content-Type: application/json\r\nContent-Length: 2000000\r\n\r\n`),
      refused(400, "no request\r\n\r\n"),
      leaveEarly,
      leave(artifact(keys.whole)),
      expectBreak(artifact(keys.broken)),
    ] satisfies Act[],
    streams: [
      leave(events(ids.open)),
      expect(200, events(ids.finished)),
      expect(200, events(ids.lost)),
      expectBreak(events(ids.failed)),
    ] satisfies Act[],
    close: () => agent.destroy(),
  };
}
