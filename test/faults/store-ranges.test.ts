import assert from "node:assert/strict";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import { suite } from "../support/gateway.ts";
import type { TestSettings } from "../support/gateway.ts";
import { sha256, workflowIn } from "../support/samples.ts";
import { startStack } from "../support/stack.ts";
import { assertFailure, download } from "./download.ts";
import type { Expected } from "./download.ts";
import type { RawAnswer } from "./raw-store.ts";
import { answerOf, impatience, rawStoreSettings, s3Error, startRawStore } from "./raw-store.ts";
import { bytes, otherBytes } from "./store-faults.ts";

const size = bytes.length;
const [first, last] = [1000, 250_999];
const part = bytes.subarray(first, last + 1);
const place = `bytes ${first}-${last}/${size}`;
const artifact = { uri: "r2://foldforge/a.pdb", sizeBytes: BigInt(size), sha256: sha256(bytes) };

/** An answer with a part. */
function partial(body: Buffer, contentRange?: string): Buffer {
  return answerOf(
    "206 Partial Content",
    body,
    contentRange === undefined ? {} : { "Content-Range": contentRange },
  );
}

const rpcs = { getWorkflow: () => workflowIn(JobState.SUCCEEDED, [artifact]) };

const faults: [what: string, expected: Expected, answer: Buffer][] = [
  ["sends the whole", 500, answerOf("200 OK", bytes)],
  ["sends the part as if it were the whole", 500, answerOf("200 OK", part)],
  ["does not say which part it sends", 500, partial(part)],
  ["sends another part of the same length", 500, partial(part, `bytes 0-${part.length - 1}/${size}`)],
  ["sends a part of a longer file", 500, partial(part, `bytes ${first}-${last}/${size + 1}`)],
  ["does not know the file's length", 500, partial(part, `bytes ${first}-${last}/*`)],
  ["counts in other units", 500, partial(part, place.replace("bytes", "lines"))],
  ["sends fewer bytes", 500, partial(part.subarray(1), place)],
  ["sends more bytes", 500, partial(Buffer.concat([part, Buffer.of(0)]), place)],
  ["takes the range for unsatisfiable", 500, s3Error("416 Range Not Satisfiable", "InvalidRange")],
  ["has no such object any more", 404, s3Error("404 Not Found", "NoSuchKey")],
];

/** For the body of a `describe`: a store, a gateway before it, and a download of a part from both. */
function rangeSuite(settings: TestSettings = {}) {
  const store = suite(startRawStore);
  const stack = suite(() => startStack(rpcs, { ...rawStoreSettings(store()), ...settings }));
  return function downloadPart(answer: RawAnswer, range = `bytes=${first}-${last}`) {
    store().answer = answer;
    return download(`${stack().gateway.url}/v1/workflows/w1/artifacts/a.pdb`, { Range: range });
  };
}

describe("a download of a part, when the store fails", () => {
  const downloadPart = rangeSuite();
  const downloadOf = (answer: Buffer, range?: string) =>
    downloadPart((socket) => socket.write(answer), range);

  for (const [what, expected, answer] of faults)
    it(`is ${expected} when it ${what}`, async () => {
      assertFailure(await downloadOf(answer), expected);
    });

  for (const how of ["end", "resetAndDestroy"] as const)
    it(`is visibly broken when the connection is gone in the middle, by ${how}`, async () => {
      const half = partial(part, place).subarray(0, part.length / 2);
      assertFailure(await downloadPart((socket) => socket.write(half, () => void socket[how]())), "failure");
    });

  it("has the place and the length that were asked for, and of its bytes what the store says", async () => {
    const others = otherBytes.subarray(first, last + 1);
    const { status, headers, body, isComplete } = await downloadOf(partial(others, place));
    assert.deepEqual([status, headers["content-range"], isComplete], [206, place, true]);
    assert.ok(body.equals(others));
  });

  it("is checked like the whole when it is all of the file", async () => {
    const all = `bytes 0-${size - 1}/${size}`;
    const sound = await downloadOf(partial(bytes, all), "bytes=0-");
    assert.deepEqual([sound.status, sound.isComplete], [206, true]);
    assert.ok(sound.body.equals(bytes));
    assertFailure(await downloadOf(partial(otherBytes, all), "bytes=0-"), "failure");
  });
});

describe("a download of a part, when the store falls silent", () => {
  const downloadPart = rangeSuite(impatience);

  for (const [where, end] of [
    ["before the first byte", 0],
    ["in the middle", part.length / 2],
    ["before the last byte", -1],
  ] as const)
    it(`is visibly broken when that is ${where}`, async () => {
      const answer = partial(part, place).subarray(0, end);
      assertFailure(await downloadPart((socket) => socket.write(answer)), "failure");
    });
});
