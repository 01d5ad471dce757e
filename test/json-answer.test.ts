import assert from "node:assert/strict";
import express from "express";
import { sendJson } from "../src/json-answer.ts";
import { suite } from "./support/gateway.ts";
import { serve } from "./support/serve.ts";

describe("sendJson", () => {
  let body: unknown;
  const server = suite(async () => {
    const app = express().use((_req, res) => {
      sendJson.call(res.status(201), body);
    });
    const { url, close } = await serve(app);
    return { url, close: () => close(0) };
  });

  for (const value of [{ a: 1 }, [], "ü🧬", null, { long: "x".repeat(100_000) }])
    it(`answers ${JSON.stringify(value).slice(0, 20)} under the status that is set, with its length in bytes`, async () => {
      body = value;
      const answer = await fetch(server().url);
      const bytes = Buffer.from(await answer.arrayBuffer());
      assert.equal(answer.status, 201);
      assert.equal(bytes.toString(), JSON.stringify(value));
      assert.equal(answer.headers.get("content-length"), String(bytes.length));
      assert.equal(answer.headers.get("content-type"), "application/json; charset=utf-8");
    });

  it("answers HEAD with the headers of GET alone", async () => {
    body = { a: 1 };
    const answer = await fetch(server().url, { method: "HEAD" });
    assert.equal(answer.headers.get("content-length"), "7");
    assert.equal(await answer.text(), "");
  });
});
