import { Agent, request } from "node:http";
import type { IncomingMessage, RequestOptions } from "node:http";
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { sendText } from "../support/raw-http.ts";
import { threeSteps } from "../support/samples.ts";
import { ids, keys } from "./leaks-backend.ts";
import { adminToken } from "./processes.ts";

/** One request or stream; rejects if it does not end as expected. */
type Scenario = () => Promise<void>;

/** The options of a request, beside its path. */
type SentOptions = Omit<RequestOptions, "headers"> & { readonly headers?: Readonly<Record<string, string>> };

/** After how many milliseconds a client disconnects from a request whose call is in progress. */
const abandonAfterMs = 10;

/** Clients at once. */
const clients = 32;

/** Runs `count` scenarios, each kind equally often. */
export async function repeat(kinds: readonly Scenario[], count: number): Promise<void> {
  let begun = 0;
  async function client() {
    while (begun < count) await kinds[begun++ % kinds.length]?.();
  }
  await Promise.all(Array.from({ length: clients }, client));
}

/** Unlike `once`, it ignores errors. */
const closed = (stream: NodeJS.EventEmitter) => new Promise((resolve) => stream.once("close", resolve));

/** Every kind of request and every end of a stream, over connections that `close` closes. */
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
    // `responseTo` rejects on an error; a client that disconnects expects one.
    return outgoing.on("error", () => undefined);
  }

  /** Sends a request; resolves to its response once the headers are received. */
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

  /** Disconnects within a response. */
  const disconnect = (path: string) => async () => {
    const response = await responseTo(200, path);
    await once(response, "data");
    await closed(response.on("error", () => undefined).destroy());
  };

  /** Disconnects before the response. */
  async function disconnectEarly() {
    const outgoing = begin(`/v1/workflows/${ids.slow}`);
    outgoing.end();
    await delay(abandonAfterMs);
    await closed(outgoing.destroy());
  }

  const expectRejection = (status: number, text: string) => async () => {
    const response = await sendText(url, text);
    if (!response.startsWith(`HTTP/1.1 ${status} `)) throw new Error(`not ${status}: ${response}`);
  };

  const workflow = (id: string) => `/v1/workflows/${id}`;
  const events = (id: string) => `${workflow(id)}/events`;
  const artifact = (key: string) => `${workflow(ids.read)}/artifacts/${key}`;
  const post = { method: "POST", headers: json };
  const postHeaders = `POST /v1/workflows HTTP/1.1\r\nHost: ${host}\r\nAuthorization: Bearer ${adminToken}\r\n`;

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
      expectRejection(413, `${postHeaders}Content-Type: application/json\r\nContent-Length: 2000000\r\n\r\n`),
      expectRejection(400, "no request\r\n\r\n"),
      disconnectEarly,
      disconnect(artifact(keys.whole)),
      expectBreak(artifact(keys.broken)),
    ] satisfies Scenario[],
    streams: [
      disconnect(events(ids.open)),
      expect(200, events(ids.finished)),
      expect(200, events(ids.lost)),
      expectBreak(events(ids.failed)),
    ] satisfies Scenario[],
    close: () => agent.destroy(),
  };
}
