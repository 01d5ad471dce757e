import { createServer, request } from "node:http";
import type { AddressInfo } from "node:net";
import { Transform } from "node:stream";

/** A gateway of a later version: its responses differ as docs/compatibility.md allows. */
export interface LaterVersion extends AsyncDisposable {
  readonly url: string;
}

/** Objects whose keys belong to the caller. */
const callerKeys: ReadonlySet<string> = new Set(["params", "labels", "metrics"]);

/** Starts a proxy that adds a field to every object, and replaces states that are not terminal by a new one. */
export async function startLaterVersion(url: string): Promise<LaterVersion> {
  const { hostname, port } = new URL(url);
  const server = createServer((incoming, outgoing) => {
    const { method, url: path } = incoming;
    const headers = { ...incoming.headers, "accept-encoding": "identity" };
    const upstream = request({ hostname, port, method, path, headers }, (response) => {
      const { "content-type": type = "" } = response.headers;
      const changes = path !== "/v1/openapi.json" && /^(application\/json|text\/event-stream)/.test(type);
      if (changes) delete response.headers["content-length"];
      outgoing.writeHead(response.statusCode ?? 502, response.headers);
      (changes ? response.pipe(changedLines()) : response).pipe(outgoing);
    });
    upstream.on("error", () => outgoing.destroy());
    outgoing.on("close", () => upstream.destroy());
    incoming.pipe(upstream);
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  const { port: own } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${own}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((closed) => server.close(closed));
    },
  };
}

/** Changes the JSON of a body, or of each event of a stream. Both are on one line. */
function changedLines(): Transform {
  let rest = "";
  const changed = (line: string) =>
    line.replace(/(?<=^|^data: )[[{].*$/, (json) => JSON.stringify(later(JSON.parse(json))));
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      const lines = (rest + chunk.toString("latin1")).split("\n");
      rest = lines.pop() ?? "";
      done(null, Buffer.from(lines.map((line) => `${changed(line)}\n`).join(""), "latin1"));
    },
    flush(done) {
      done(null, Buffer.from(changed(rest), "latin1"));
    },
  });
}

/** The value as a later version writes it. */
function later(value: unknown, key = ""): unknown {
  if (Array.isArray(value)) return value.map((entry) => later(entry));
  if (key === "state" && (value === "QUEUED" || value === "RUNNING")) return "PAUSED";
  if (typeof value !== "object" || value === null || callerKeys.has(key)) return value;
  const entries = Object.entries(value).map(([name, field]) => [name, later(field, name)]);
  return { ...Object.fromEntries(entries), added_later: { values: [1] } };
}
