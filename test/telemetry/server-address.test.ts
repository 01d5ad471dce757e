import assert from "node:assert/strict";
import { serverAddress } from "../../src/telemetry/server-address.ts";

describe("serverAddress", () => {
  for (const [endpoints, address, port] of [
    [["http://orchestrator:50051"], "orchestrator", 50_051],
    [["https://store.example"], "store.example", 443],
    [["http://[::1]/path"], "::1", 80],
    [["http://a:1", "http://b:1"], "a,b", 1],
    [["http://a:1", "http://a:2"], "a", undefined],
  ] as const)
    it(`of ${endpoints.join()} is ${address}, port ${port}`, () => {
      assert.deepEqual(serverAddress(endpoints), { "server.address": address, "server.port": port });
    });
});
