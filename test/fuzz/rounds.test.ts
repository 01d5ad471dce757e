import assert from "node:assert/strict";
import { suite } from "../support/gateway.ts";
import { startTestStore } from "../support/object-store.ts";
import { createFuzz } from "./fuzz.ts";

const known = {
  artifactKeys: ["a"],
  pageFiles: ["f"],
  adminToken: "t",
  apiKey: "k",
  largeBodies: { large: "{}" },
};

describe("createFuzz", () => {
  // Any server will do that answers as the test says.
  const server = suite(startTestStore);

  function fuzz() {
    return createFuzz({ url: server().url, known, lastFailure: () => "the last line" });
  }

  it("makes a failure small, and tells the request, the answer, and how to send it again", async () => {
    const broken = fuzz();
    server().respond = (_req, res) => res.writeHead(500).end("oh\n");
    const told = (await broken.round(1)) ?? "";
    broken.close();
    assert.match(told, /^the status is 500 and not \d+/);
    assert.match(told, /^ {2}oh\\x0a$/m);
    assert.match(told, /^ {2}[A-Z]+ \S+ HTTP\/1.1$\n {2}Host: gateway$/m);
    assert.match(told, /^seed 1, path \S+, shrunk \d+ times; FUZZ_SEED=1 make fuzz sends it again$/m);
    assert.match(told, /the last line$/);
    assert.equal(told.match(/HTTP\/1.1$/gm)?.length, 1, "of many requests one is left");
  });

  it("tells of a connection that ends without an answer", async () => {
    const broken = fuzz();
    server().respond = (req) => req.socket.destroy();
    const told = (await broken.round(1)) ?? "";
    broken.close();
    assert.match(told, /^the connection was closed without an answer/);
  });
});
