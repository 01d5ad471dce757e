import assert from "node:assert/strict";
import { Readable } from "node:stream";
import { readErrorBody } from "../../src/artifacts/error-page.ts";

const limit = 65_536;

describe("readErrorPage", () => {
  for (const length of [0, 1, limit])
    it(`reads a page of ${length} bytes`, async () => {
      const page = Buffer.alloc(length, "page");
      const source = Readable.from(length === 0 ? [] : [page.subarray(0, 1), page.subarray(1)]);
      assert.ok(Buffer.from(await readErrorBody(source)).equals(page));
    });

  it("lets go of one that is longer, and reads no more of it", async () => {
    let given = 0;
    const source = new Readable({
      read() {
        given += 1024;
        this.push(Buffer.alloc(1024));
      },
    });
    await assert.rejects(readErrorBody(source), /more than 65536 bytes/);
    assert.ok(source.destroyed);
    assert.ok(given <= limit + 1024 + source.readableHighWaterMark, String(given));
  });

  it("rejects when the page breaks off", async () => {
    const cause = new Error("gone");
    const source = Readable.from([Buffer.from("<Error>")]);
    source.once("end", () => assert.fail("it came to its end"));
    source.destroy(cause);
    await assert.rejects(readErrorBody(source), cause);
  });
});
