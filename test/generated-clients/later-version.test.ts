import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { startLaterVersion } from "./later-version.ts";

/** What a gateway of a later version sends where this one sends `chunks`. */
async function later(type: string, chunks: readonly string[], path = "/v1/workflows"): Promise<string> {
  const server = createServer((_request, response) => {
    response.writeHead(200, { "Content-Type": type, "Content-Length": Buffer.byteLength(chunks.join("")) });
    for (const chunk of chunks) response.write(chunk);
    response.end();
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  const { port } = server.address() as AddressInfo;
  await using gateway = await startLaterVersion(`http://127.0.0.1:${port}`);
  const text = await (await fetch(`${gateway.url}${path}`)).text();
  server.close();
  return text;
}

describe("startLaterVersion", () => {
  const json = "application/json; charset=utf-8";
  const added = '"added_later":{"values":[1]}';

  it("adds a field to every object but those of the caller", async () =>
    assert.equal(
      await later(json, ['{"a":[{"é":', '1}],"labels":{"state":"RUNNING"}}']),
      `{"a":[{"é":1,${added}}],"labels":{"state":"RUNNING"},${added}}`,
    ));

  it("replaces a state that is not terminal", async () =>
    assert.equal(
      await later(json, ['[{"state":"RUNNING"},{"state":"FAILED"}]']),
      `[{"state":"PAUSED",${added}},{"state":"FAILED",${added}}]`,
    ));

  it("changes the events of a stream, and nothing else in it", async () =>
    assert.equal(
      await later("text/event-stream", [':\nid: 1\ndata: {"state":', '"QUEUED"}\n\nda', "ta: x\n\n"]),
      `:\nid: 1\ndata: {"state":"PAUSED",${added}}\n\ndata: x\n\n`,
    ));

  for (const [what, type, path] of [
    ["a file", "text/plain", "/v1/workflows/1/artifacts/a"],
    ["the document", json, "/v1/openapi.json"],
  ] as const)
    it(`leaves ${what} as it is`, async () => assert.equal(await later(type, ['{"a":1}'], path), '{"a":1}'));
});
