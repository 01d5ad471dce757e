import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import type { ServerResponse } from "node:http";
import { createGatewayClient } from "../../src/demo/client.ts";
import type { Schema } from "../../src/demo/client.ts";
import { downloadArtifact, fileNameFrom } from "../../src/demo/download.ts";
import { filesIn, sendJson, startHttp, withFolder } from "./support.ts";

const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");

const href = "/v1/workflows/w/artifacts/artifacts/a%20b%3F.pdb";

/** An artifact of these bytes. */
function artifactOf(text: string, more: Partial<Schema["Artifact"]> = {}): Schema["Artifact"] {
  return {
    name: "fold-0.pdb",
    href,
    uri: "r2://foldforge/artifacts/a b?.pdb",
    content_type: "chemical/x-pdb",
    size_bytes: text.length,
    sha256: sha256(text),
    metrics: {},
    ...more,
  };
}

/** Downloads `artifact` from a gateway that runs `respond`; returns the requested paths and the files written. */
async function download(
  artifact: Schema["Artifact"],
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
    failure = await downloadArtifact(client, artifact, folder).then(
      () => undefined,
      (error: unknown) => error as Error,
    );
    for (const file of await filesIn(folder)) files[file.slice(folder.length)] = await readFile(file, "utf8");
  });
  return { requested, files, failure };
}

describe("downloadArtifact", () => {
  for (const text of ["ATOM", ""])
    it(`requests the href, and stores ${text.length} bytes under the name`, async () => {
      const { requested, files, failure } = await download(artifactOf(text), (res) =>
        res.writeHead(200, { "Content-Length": text.length }).end(text),
      );
      assert.equal(failure, undefined);
      assert.deepEqual(requested, [href]);
      assert.deepEqual(files, { "/fold-0.pdb": text });
    });

  it("stores a file of unknown length and SHA-256, in the folder, whatever its name", async () => {
    const artifact = artifactOf("ATOM", { name: "../ä-0.pdb", size_bytes: 0, sha256: "" });
    const { files, failure } = await download(artifact, (res) => res.end("ATOM"));
    assert.equal(failure, undefined);
    assert.deepEqual(files, { "/..%2Fä-0.pdb": "ATOM" });
  });

  for (const [what, respond, message] of [
    [
      "other bytes",
      (res) => res.end("ATOX"),
      `fold-0.pdb has SHA-256 ${sha256("ATOX")} instead of ${sha256("ATOM")}`,
    ],
    ["fewer bytes", (res) => res.end("ATO"), "fold-0.pdb has only 3 of 4 bytes"],
    ["more bytes", (res) => res.write("ATOMS"), "fold-0.pdb has more than 4 bytes"],
    [
      "a broken transfer",
      (res) => res.writeHead(200, { "Content-Length": 4 }).write("ATO", () => res.destroy()),
      "the transfer of fold-0.pdb broke",
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

  it("rejects an artifact without an href", async () => {
    const artifact = artifactOf("");
    delete artifact.href;
    const { requested, failure } = await download(artifact, (res) => res.end());
    assert.equal(failure?.message, "fold-0.pdb is not in the object store of this gateway");
    assert.deepEqual(requested, []);
  });
});

describe("fileNameFrom", () => {
  for (const [text, name] of [
    ["design-0.pdb", "design-0.pdb"],
    ["größe~1a2b.pdb", "größe~1a2b.pdb"],
    ["a\u001b[31m b", "a%1B%5B31m%20b"],
    ["../../etc/passwd", "..%2F..%2Fetc%2Fpasswd"],
    ["..", "%2E%2E"],
    [".", "%2E"],
    ["a\\b", "a%5Cb"],
  ] as const)
    it(`makes ${name} of ${text}`, () => assert.equal(fileNameFrom(text), name));
});
