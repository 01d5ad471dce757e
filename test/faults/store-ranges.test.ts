import assert from "node:assert/strict";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import { suite } from "../support/gateway.ts";
import type { TestSettings } from "../support/gateway.ts";
import { sha256, workflowIn } from "../support/samples.ts";
import { startStack } from "../support/stack.ts";
import { assertFailure, download } from "./download.ts";
import type { Expected } from "./download.ts";
import type { RawResponder } from "./raw-store.ts";
import { responseOf, shortReadTimeout, rawStoreSettings, s3Error, startRawStore } from "./raw-store.ts";
import { bytes, otherBytes } from "./store-faults.ts";

const size = bytes.length;
const [first, last] = [1000, 250_999];
const part = bytes.subarray(first, last + 1);
const contentRange = `bytes ${first}-${last}/${size}`;
const artifact = { uri: "r2://foldforge/a.pdb", sizeBytes: BigInt(size), sha256: sha256(bytes) };

/** A 206 response. */
function partial(body: Buffer, contentRange?: string): Buffer {
  return responseOf(
    "206 Partial Content",
    body,
    contentRange === undefined ? {} : { "Content-Range": contentRange },
  );
}

const rpcs = { getWorkflow: () => workflowIn(JobState.SUCCEEDED, [artifact]) };

const faults: [what: string, expected: Expected, response: Buffer][] = [
  ["sends the whole file", 500, responseOf("200 OK", bytes)],
  ["sends the part with status 200", 500, responseOf("200 OK", part)],
  ["sends no Content-Range", 500, partial(part)],
  ["sends another part of the same length", 500, partial(part, `bytes 0-${part.length - 1}/${size}`)],
  ["sends a part of a longer file", 500, partial(part, `bytes ${first}-${last}/${size + 1}`)],
  ["sends no complete length", 500, partial(part, `bytes ${first}-${last}/*`)],
  ["sends other units", 500, partial(part, contentRange.replace("bytes", "lines"))],
  ["sends fewer bytes", 500, partial(part.subarray(1), contentRange)],
  ["sends more bytes", 500, partial(Buffer.concat([part, Buffer.of(0)]), contentRange)],
  ["responds that the range is unsatisfiable", 500, s3Error("416 Range Not Satisfiable", "InvalidRange")],
  ["has lost the object", 404, s3Error("404 Not Found", "NoSuchKey")],
];

/** Sets up a store and a gateway for a `describe`; returns a function that downloads a part. */
function rangeSuite(settings: TestSettings = {}) {
  const store = suite(startRawStore);
  const stack = suite(() => startStack(rpcs, { ...rawStoreSettings(store()), ...settings }));
  return function downloadPart(respond: RawResponder, range = `bytes=${first}-${last}`) {
    store().respond = respond;
    return download(`${stack().gateway.url}/v1/workflows/w1/artifacts/a.pdb`, { Range: range });
  };
}

describe("GET /v1/workflows/{id}/artifacts/{key} with Range, when the store fails", () => {
  const downloadPart = rangeSuite();
  const downloadOf = (response: Buffer, range?: string) =>
    downloadPart((socket) => socket.write(response), range);

  for (const [what, expected, response] of faults)
    it(`returns ${expected} when it ${what}`, async () => {
      assertFailure(await downloadOf(response), expected);
    });

  for (const how of ["end", "resetAndDestroy"] as const)
    it(`breaks visibly when the connection closes in the middle, by ${how}`, async () => {
      const half = partial(part, contentRange).subarray(0, part.length / 2);
      assertFailure(await downloadPart((socket) => socket.write(half, () => void socket[how]())), "failure");
    });

  it("returns the requested range with whatever bytes the store sends", async () => {
    const wrong = otherBytes.subarray(first, last + 1);
    const { status, headers, body, isComplete } = await downloadOf(partial(wrong, contentRange));
    assert.deepEqual([status, headers["content-range"], isComplete], [206, contentRange, true]);
    assert.ok(body.equals(wrong));
  });

  it("verifies the SHA-256 when the range is the whole file", async () => {
    const all = `bytes 0-${size - 1}/${size}`;
    const valid = await downloadOf(partial(bytes, all), "bytes=0-");
    assert.deepEqual([valid.status, valid.isComplete], [206, true]);
    assert.ok(valid.body.equals(bytes));
    assertFailure(await downloadOf(partial(otherBytes, all), "bytes=0-"), "failure");
  });
});

describe("GET /v1/workflows/{id}/artifacts/{key} with Range, when the store sends nothing more", () => {
  const downloadPart = rangeSuite(shortReadTimeout);

  for (const [where, end] of [
    ["before the first byte", 0],
    ["in the middle", part.length / 2],
    ["before the last byte", -1],
  ] as const)
    it(`breaks visibly ${where}`, async () => {
      const response = partial(part, contentRange).subarray(0, end);
      assertFailure(await downloadPart((socket) => socket.write(response)), "failure");
    });
});
