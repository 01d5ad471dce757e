import assert from "node:assert/strict";
import { readAnswer } from "./answer-reader.ts";

/** Reads an answer from text, and tells it in short. */
function told(text: string, { method = "GET", isOver = false } = {}) {
  const read = readAnswer(Buffer.from(text), method, isOver);
  if (read === undefined) return undefined;
  const { answer, rest } = read;
  return [answer.status, answer.body.toString(), answer.isLast ? "last" : "more", rest.toString()];
}

const whole = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const inChunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\n\r\n";

describe("readAnswer", () => {
  it("reads a body by its length, by its chunks, and to the end", () => {
    assert.deepEqual(told(whole), [200, "ok", "more", ""]);
    assert.deepEqual(told(inChunks), [200, "ok", "more", ""]);
    assert.deepEqual(told("HTTP/1.1 200 OK\r\n\r\nok", { isOver: true }), [200, "ok", "last", ""]);
  });

  it("gives what comes after the answer", () => {
    assert.deepEqual(told(`${whole}HTTP`), [200, "ok", "more", "HTTP"]);
    assert.deepEqual(told(`${inChunks}HTTP`), [200, "ok", "more", "HTTP"]);
  });

  it("waits until the answer is whole, and throws where it never will be", () => {
    for (const text of [whole, inChunks]) {
      for (let end = 0; end < text.length; end += 1) {
        assert.equal(told(text.slice(0, end)), undefined);
        assert.throws(() => told(text.slice(0, end), { isOver: true }), /in the middle of an answer/);
      }
    }
  });

  it("knows which answers have no body", () => {
    const head = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n";
    assert.deepEqual(told(head, { method: "HEAD" }), [200, "", "more", ""]);
    assert.deepEqual(told("HTTP/1.1 204 No Content\r\n\r\n"), [204, "", "more", ""]);
    assert.deepEqual(told("HTTP/1.1 304 Not Modified\r\nETag: a\r\n\r\n"), [304, "", "more", ""]);
  });

  it("passes over interim answers, and sees the last one of a connection", () => {
    assert.deepEqual(told(`HTTP/1.1 100 Continue\r\n\r\n${whole}`), [200, "ok", "more", ""]);
    assert.deepEqual(told(whole.replace("\r\n", "\r\nConnection: close\r\n")), [200, "ok", "last", ""]);
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
      assert.throws(() => told(text), /^Error: (this is no|a chunk is longer|the answer has a length)/);
    });
  }
});
