import { readEvents } from "../support/event-reader.ts";
import { jsonPost } from "../support/samples.ts";

/** Sends a request as the tests' tenant, to the gateways that share one address. */
export type Send = (path: string, init?: RequestInit) => Promise<Response>;

/** Builds it. Nothing is sent twice: a connection that breaks is a request that failed. */
export function createSend(url: string, key: string): Send {
  return function send(path, init = {}) {
    const headers = new Headers(init.headers);
    headers.set("Authorization", `Bearer ${key}`);
    return fetch(url + path, { ...init, headers });
  };
}

/** Submits a workflow; resolves to its id, or rejects with what came in the place of a 201. */
export async function submit(send: Send, spec: unknown): Promise<string> {
  const response = await send("/v1/workflows", jsonPost(spec));
  const body = await response.text();
  if (response.status !== 201) throw new Error(`${response.status} ${body}`);
  return (JSON.parse(body) as { id: string }).id;
}

/** A step that gives the sandbox little to do. */
const short = { name: "short", steps: [{ id: "a", tool: "proteinmpnn" }] };

/** Clients that send one request after the other. */
export interface Load {
  /** The number of responses by request and status, such as `list 200`. */
  readonly responses: ReadonlyMap<string, number>;
  /** The ids of the workflows that were submitted. */
  readonly submitted: readonly string[];
  /** Resolves when every request that was sent has its response. */
  stop(): Promise<void>;
}

/** Starts `clients` at once; what they submit has these labels. */
export function startLoad(send: Send, clients: number, labels: Record<string, string>): Load {
  const responses = new Map<string, number>();
  const submitted: string[] = [];
  let isStopping = false;

  async function note(request: string, response: Promise<string | number>): Promise<void> {
    const outcome = `${request} ${await response.catch(describeError)}`;
    responses.set(outcome, (responses.get(outcome) ?? 0) + 1);
  }

  async function post(): Promise<number> {
    submitted.push(await submit(send, { ...short, labels }));
    return 201;
  }

  async function get(path: string): Promise<number> {
    const response = await send(path);
    await response.json();
    return response.status;
  }

  async function client(): Promise<void> {
    while (!isStopping) {
      await note("submit", post());
      await note("get", get(`/v1/workflows/${submitted.at(-1)}`));
      await note("list", get("/v1/workflows?page_size=5"));
    }
  }

  const done = Promise.all(Array.from({ length: clients }, client));
  return {
    responses,
    submitted,
    async stop() {
      isStopping = true;
      await done;
    },
  };
}

/** What a follower got over all of its connections. */
export interface Followed {
  /** How often its connection was broken. */
  readonly cuts: number;
  /** The ids of the events, in the order in which they came. */
  readonly ids: readonly number[];
  /** The data of the last one. */
  readonly last: string;
  /** What went wrong otherwise. */
  readonly failure: string | undefined;
}

/** Follows a workflow from its second event; reconnects after each cut until a response ends cleanly. */
export async function follow(send: Send, id: string): Promise<Followed> {
  const ids: number[] = [];
  let last = "";
  for (let cuts = 0; ; cuts += 1) {
    try {
      const headers = { "Last-Event-ID": String(ids.at(-1) ?? 1) };
      const response = await send(`/v1/workflows/${id}/events`, { headers });
      if (response.status !== 200) throw new Error(`${response.status} ${await response.text()}`);
      const reader = readEvents(response);
      const ending = await reader.ended;
      ids.push(...reader.events.map((event) => Number(event.id)));
      last = reader.events.at(-1)?.data ?? last;
      if (ending === "clean") return { cuts, ids, last, failure: undefined };
    } catch (error) {
      return { cuts, ids, last, failure: describeError(error) };
    }
  }
}

function describeError(error: unknown): string {
  const { message, cause } = error as Error;
  return cause === undefined ? message : `${message}: ${describeError(cause)}`;
}
