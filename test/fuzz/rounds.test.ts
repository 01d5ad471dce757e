import assert from "node:assert/strict";
import { suite } from "../support/gateway.ts";
import { startTestStore } from "../support/object-store.ts";
import { createFuzz } from "./fuzz.ts";

const known = {
  artifactKeys: ["a"],
  pageFiles: ["f"],
  adminToken: "t",
  apiKey: "k",
  principal: "p",
  webhookSecret: "whsec_s",
  largeBodies: { large: "{}" },
};

describe("createFuzz", () => {
  // A server whose responses the test determines.
  const server = suite(startTestStore);

  function fuzz() {
    return createFuzz({ url: server().url, known, lastFailure: () => "the last line" });
  }

  it("shrinks a failure, and reports the request, the response, and how to repeat it", async () => {
    const failing = fuzz();
    server().respond = (_req, res) => res.writeHead(500).end("oh\n");
    const report = (await failing.round(1)) ?? "";
    failing.closeConnections();
    assert.match(report, /^the status is 500 and not \d+/);
    assert.match(report, /^ {2}oh\\x0a$/m);
    assert.match(report, /^ {2}[A-Z]+ \S+ HTTP\/1.1$\n {2}Host: gateway$/m);
    assert.match(report, /^seed 1, path \S+, shrunk \d+ times; FUZZ_SEED=1 make fuzz sends it again$/m);
    assert.match(report, /the last line$/);
    assert.equal(report.match(/HTTP\/1.1$/gm)?.length, 1, "only one of many requests remains");
  });

  it("reports a connection that ends without a response", async () => {
    const failing = fuzz();
    server().respond = (req) => req.socket.destroy();
    const report = (await failing.round(1)) ?? "";
    failing.closeConnections();
    // A response to `Expect: 100-continue` has begun with an interim response.
    assert.match(report, /^the connection (was closed without a response|ended in the middle of a response)/);
  });
});
