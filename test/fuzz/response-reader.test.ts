import assert from "node:assert/strict";
import { readResponse } from "./response-reader.ts";

/** Parses a response, and summarises it. */
function summaryOf(text: string, { method = "GET", isOver = false } = {}) {
  const read = readResponse(Buffer.from(text), method, isOver);
  if (read === undefined) return undefined;
  const { response, rest } = read;
  return [response.status, response.body.toString(), response.isLast ? "last" : "more", rest.toString()];
}

const withLength = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const inChunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\n\r\n";

describe("readResponse", () => {
  it("reads a body by its length, by its chunks, and to the end", () => {
    assert.deepEqual(summaryOf(withLength), [200, "ok", "more", ""]);
    assert.deepEqual(summaryOf(inChunks), [200, "ok", "more", ""]);
    assert.deepEqual(summaryOf("HTTP/1.1 200 OK\r\n\r\nok", { isOver: true }), [200, "ok", "last", ""]);
  });

  it("returns the bytes after the response", () => {
    assert.deepEqual(summaryOf(`${withLength}HTTP`), [200, "ok", "more", "HTTP"]);
    assert.deepEqual(summaryOf(`${inChunks}HTTP`), [200, "ok", "more", "HTTP"]);
  });

  it("returns undefined for an incomplete response, and throws if no more bytes follow", () => {
    for (const text of [withLength, inChunks]) {
      for (let end = 0; end < text.length; end += 1) {
        assert.equal(summaryOf(text.slice(0, end)), undefined);
        assert.throws(() => summaryOf(text.slice(0, end), { isOver: true }), /in the middle of a response/);
      }
    }
  });

  it("reads responses without a body", () => {
    const head = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n";
    assert.deepEqual(summaryOf(head, { method: "HEAD" }), [200, "", "more", ""]);
    assert.deepEqual(summaryOf("HTTP/1.1 204 No Content\r\n\r\n"), [204, "", "more", ""]);
    assert.deepEqual(summaryOf("HTTP/1.1 304 Not Modified\r\nETag: a\r\n\r\n"), [304, "", "more", ""]);
  });

  it("skips interim responses, and detects the last response of a connection", () => {
    assert.deepEqual(summaryOf(`HTTP/1.1 100 Continue\r\n\r\n${withLength}`), [200, "ok", "more", ""]);
    assert.deepEqual(summaryOf(withLength.replace("\r\n", "\r\nConnection: close\r\n")), [
      200,
      "ok",
      "last",
      "",
    ]);
  });

  for (const text of [
    "HTTP/1.0 200 OK\r\n\r\n",
    "HTTP/1.1 099 OK\r\n\r\n",
    "ok\r\n\r\n",
    "HTTP/1.1 200 OK\r\na b: c\r\n\r\n",
    "HTTP/1.1 200 OK\r\na: b\nc: d\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\nok",
    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok",
    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nokay\r\n",
  ]) {
    it(`throws for ${JSON.stringify(text)}`, () => {
      assert.throws(
        () => summaryOf(text),
        /^Error: (this is not|a chunk is longer|the response has a length)/,
      );
    });
  }
});
