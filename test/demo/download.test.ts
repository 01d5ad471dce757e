import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import type { ServerResponse } from "node:http";
import { join } from "node:path";
import { createGatewayClient } from "../../src/demo/client.ts";
import { downloadArtifact, fileNameFrom } from "../../src/demo/download.ts";
import { filesIn, sendJson, startHttp, withFolder } from "./support.ts";

const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");

/** An artifact of these bytes. */
function artifactOf(text: string, uri = "r2://foldforge/artifacts/a b?.pdb") {
  const size_bytes = text.length;
  return {
    name: "a-0.pdb",
    uri,
    content_type: "chemical/x-pdb",
    size_bytes,
    sha256: sha256(text),
    metrics: {},
  };
}

/** Downloads `artifact` from a gateway that runs `respond`; returns the requested paths and the files written. */
async function download(
  artifact: ReturnType<typeof artifactOf>,
  respond: (res: ServerResponse) => void,
): Promise<{ requested: string[]; files: Record<string, string>; failure: Error | undefined }> {
  const requested: string[] = [];
  await using service = await startHttp((req, res) => {
    requested.push(req.url ?? "");
    respond(res);
  });
  const files: Record<string, string> = {};
  let failure: Error | undefined;
  await withFolder(async (folder) => {
    const client = createGatewayClient(service.url, "key");
    const target = join(folder, "step");
    failure = await downloadArtifact(client, "w", artifact, target).then(
      () => undefined,
      (error: unknown) => error as Error,
    );
    for (const file of await filesIn(folder)) files[file.slice(folder.length)] = await readFile(file, "utf8");
  });
  return { requested, files, failure };
}

describe("downloadArtifact", () => {
  for (const text of ["ATOM", ""])
    it(`stores ${text.length} bytes under the last part of the key`, async () => {
      const { requested, files, failure } = await download(artifactOf(text), (res) =>
        res.writeHead(200, { "Content-Length": text.length }).end(text),
      );
      assert.equal(failure, undefined);
      assert.deepEqual(requested, ["/v1/workflows/w/artifacts/artifacts/a%20b%3F.pdb"]);
      assert.deepEqual(files, { "/step/a%20b%3F.pdb": text });
    });

  const uri = "r2://foldforge/artifacts/a b?.pdb";
  for (const [what, respond, message] of [
    [
      "other bytes",
      (res) => res.end("ATOX"),
      `${uri} has SHA-256 ${sha256("ATOX")} instead of ${sha256("ATOM")}`,
    ],
    ["fewer bytes", (res) => res.end("ATO"), `${uri} has only 3 of 4 bytes`],
    ["more bytes", (res) => res.write("ATOMS"), `${uri} has more than 4 bytes`],
    [
      "a broken transfer",
      (res) => res.writeHead(200, { "Content-Length": 4 }).write("ATO", () => res.destroy()),
      `the transfer of ${uri} broke`,
    ],
    [
      "an error response",
      (res) => sendJson(res, 404, { code: "NOT_FOUND", message: "gone", retryable: false }),
      "the gateway responds with 404 NOT_FOUND: gone",
    ],
    ["an error of a proxy", (res) => res.writeHead(502).end("<html>"), "the gateway responds with 502"],
  ] as readonly [string, (res: ServerResponse) => void, string][])
    it(`rejects ${what}, and leaves no file`, async () => {
      const { files, failure } = await download(artifactOf("ATOM"), respond);
      assert.equal(failure?.message, message);
      assert.deepEqual(files, {});
    });

  it("rejects a URI of another scheme", async () => {
    const { requested, failure } = await download(artifactOf("", "http://elsewhere/x"), (res) => res.end());
    assert.equal(failure?.message, "http://elsewhere/x is not the address of an artifact");
    assert.deepEqual(requested, []);
  });
});

describe("fileNameFrom", () => {
  for (const [text, name] of [
    ["design", "design"],
    ["../../etc/passwd", "..%2F..%2Fetc%2Fpasswd"],
    ["..", "%2E%2E"],
    [".", "%2E"],
    ["a\\b", "a%5Cb"],
  ] as const)
    it(`makes ${name} of ${text}`, () => assert.equal(fileNameFrom(text), name));
});
