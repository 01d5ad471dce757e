import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { prefix } from "../src/config.ts";
import { runGateway } from "./support/gateway-process.ts";

describe("main", () => {
  it("tells every fault of the configuration in one message, repeats no value, and exits with 1", async () => {
    const { code, stderr, lines } = await runGateway({
      BIND_ADDR: "nowhere",
      ORCHESTRATOR_ENDPOINT: "ftp://secret-host",
      API_TOKEN: "secret token",
      AUTH_CACHE_TTL_SECONDS: "-1",
      API_KEYS_ENABLED: "maybe",
    }).ended;
    assert.equal(code, 1);
    assert.deepEqual(lines, []);
    for (const name of [
      "BIND_ADDR",
      "ORCHESTRATOR_ENDPOINT",
      "API_TOKEN",
      "AUTH_CACHE_TTL_SECONDS",
      "API_KEYS_ENABLED",
    ]) {
      assert.equal(stderr.split(`${prefix}${name} `).length, 2, name);
    }
    assert.equal(stderr.trimEnd().split("\n").length, 6);
    assert.ok(!stderr.includes("secret"));
    assert.ok(!stderr.includes("    at "));
  });

  it("says in one line that its port is taken, and exits with 1", async () => {
    const other = createServer().listen(0, "127.0.0.1");
    await once(other, "listening");
    const bind = `127.0.0.1:${(other.address() as AddressInfo).port}`;
    const { code, stderr } = await runGateway({ BIND_ADDR: bind }).ended;
    other.close();
    assert.equal(code, 1);
    assert.equal(
      stderr,
      `foldforge-gateway: ${bind} is already in use; set ${prefix}BIND_ADDR to another address\n`,
    );
  });

  it("warns of a setting that it does not know, with the nearest name, serves, and exits with 0 on SIGINT", async () => {
    const { child, started, ended } = runGateway({ BIND_ADDR: "127.0.0.1:0", API_TOKNE: "x" });
    const url = await started;
    assert.equal((await fetch(`${url}/v1/healthz`)).status, 200);
    child.kill("SIGINT");
    const { code, signal, lines } = await ended;
    assert.deepEqual([code, signal], [0, null]);
    const warning = lines.find(({ event }) => event === "config.unknown");
    assert.equal(warning?.["level"], "warn");
    assert.match(
      String(warning["msg"]),
      /API_TOKNE is not a setting; did you mean FOLDFORGE_GATEWAY__API_TOKEN\?/,
    );
  });

  it("drains and exits with 0 on SIGTERM, with nothing on stderr", async () => {
    const { child, started, ended } = runGateway({ BIND_ADDR: "127.0.0.1:0", DRAIN_DELAY_SECONDS: "0" });
    const url = await started;
    await (await fetch(`${url}/v1/healthz`)).text();
    child.kill("SIGTERM");
    const { code, signal, stderr, lines } = await ended;
    assert.deepEqual([code, signal, stderr], [0, null, ""]);
    assert.ok(lines.some(({ event }) => event === "gateway.stop"));
    assert.ok(lines.every((line) => typeof line["time"] === "string" && typeof line["level"] === "string"));
  });
});
