import assert from "node:assert/strict";
import { localUrl } from "../../src/sandbox/listen.ts";

describe("localUrl", () => {
  for (const [listening, reached] of [
    ["http://0.0.0.0:8080", "http://127.0.0.1:8080"],
    ["http://[::]:8080", "http://[::1]:8080"],
    ["http://127.0.0.1:8080", "http://127.0.0.1:8080"],
  ] as const)
    it(`reaches ${listening} at ${reached}`, () => assert.equal(localUrl(listening), reached));
});
