import assert from "node:assert/strict";
import { once } from "node:events";
import { IncomingMessage } from "node:http";
import { Socket } from "node:net";
import fc from "fast-check";
import { createFindClient } from "../../src/http/client.ts";
import { startTestGateway, suite } from "../support/gateway.ts";
import type { LogLine, TestGateway } from "../support/gateway.ts";
import { startForwardingProxy } from "../support/forwarding-proxy.ts";
import { sendText } from "../support/raw-http.ts";
import { settingsOf } from "../support/environment.ts";
import { newTrace } from "../support/traced-stack.ts";

/** Sends a request with these header lines to `url`; returns the line that `gateway` logs of it. */
async function lineOf(gateway: TestGateway, lines: readonly string[], url = gateway.url): Promise<LogLine> {
  const { traceId, headers } = newTrace();
  const sent = ["GET /v1/healthz HTTP/1.1", "Host: gateway", "Connection: close", ...lines];
  const response = await sendText(url, `${sent.join("\r\n")}\r\ntraceparent: ${headers.traceparent}\r\n\r\n`);
  assert.match(response, /^HTTP\/1\.1 200 /);
  for (;;) {
    const line = gateway.logs.find(({ event, trace_id }) => event && trace_id === traceId);
    if (line !== undefined) return line;
    await once(gateway.logged, "line");
  }
}

describe("createFindClient", () => {
  const untrusting = suite(() => startTestGateway({ TRUSTED_PROXIES: "private,198.51.100.0/24" }));
  const trusting = suite(() => startTestGateway({ TRUSTED_PROXIES: "loopback, private,2001:db8:1::/48" }));

  it("believes no header by default, and none of a proxy that is not trusted", async () => {
    const gateway = await startTestGateway();
    for (const one of [gateway, untrusting()]) {
      const line = await lineOf(one, [
        "X-Forwarded-For: 203.0.113.9",
        "Forwarded: for=203.0.113.9;proto=https",
        "X-Request-Id: of-the-client",
      ]);
      assert.equal(line["client_address"], "127.0.0.1");
      assert.equal(line["request_id"], undefined);
    }
    await gateway.close();
  });

  for (const [lines, expected] of [
    [[], "127.0.0.1"],
    [["X-Forwarded-For: 203.0.113.9"], "203.0.113.9"],
    [["X-Forwarded-For: 203.0.113.9:5432"], "203.0.113.9"],
    [["X-Forwarded-For: 2001:db8::9"], "2001:db8::9"],
    [["X-Forwarded-For: [2001:db8::9]"], "2001:db8::9"],
    [["X-Forwarded-For: [2001:db8::9]:5432"], "2001:db8::9"],
    [["X-Forwarded-For: ::ffff:203.0.113.9"], "203.0.113.9"],
    // Who the nearest hop that is not trusted names is not believed.
    [["X-Forwarded-For: 1.2.3.4, 203.0.113.9"], "203.0.113.9"],
    [["X-Forwarded-For: 1.2.3.4", "X-Forwarded-For: 203.0.113.9"], "203.0.113.9"],
    [["X-Forwarded-For: 1.2.3.4, 203.0.113.9, 10.1.2.3, 192.168.0.1"], "203.0.113.9"],
    [["X-Forwarded-For: 1.2.3.4, 203.0.113.9, ::ffff:10.1.2.3, 2001:db8:1::7"], "203.0.113.9"],
    // All are trusted: the farthest is the client.
    [["X-Forwarded-For: 10.0.0.9, 192.168.0.1"], "10.0.0.9"],
    // What is no address ends the search.
    [["X-Forwarded-For: "], "127.0.0.1"],
    [["X-Forwarded-For: unknown"], "127.0.0.1"],
    [["X-Forwarded-For: 1.2.3.4, , 10.1.2.3"], "10.1.2.3"],
    [["X-Forwarded-For: 1.2.3.4, 999.1.1.1"], "127.0.0.1"],
    [["X-Forwarded-For: 1.2.3.4, <script>"], "127.0.0.1"],
    [["X-Forwarded-For: fe80::1%eth0"], "127.0.0.1"],
    [[`X-Forwarded-For: ${"1".repeat(9000)}`], "127.0.0.1"],
    [[`X-Forwarded-For: ${",".repeat(9000)}`], "127.0.0.1"],
    [[`X-Forwarded-For: 203.0.113.9${", 10.0.0.1".repeat(900)}`], "10.0.0.1"],

    [["Forwarded: for=203.0.113.9"], "203.0.113.9"],
    [["forwarded: For=203.0.113.9;Proto=https;by=10.0.0.1;host=x"], "203.0.113.9"],
    [['Forwarded: by=_x; for="203.0.113.9:5432" ;proto=http'], "203.0.113.9"],
    [['Forwarded: for="[2001:db8::9]:_port"'], "2001:db8::9"],
    [["Forwarded: for=[2001:db8::9]"], "2001:db8::9"],
    [['Forwarded: for="\\2\\03.0.113.9"'], "203.0.113.9"],
    [["Forwarded: for=203.0.113.9;"], "203.0.113.9"],
    [["Forwarded: for=1.2.3.4, for=203.0.113.9,for=10.1.2.3"], "203.0.113.9"],
    [["Forwarded: for=1.2.3.4", "Forwarded: for=203.0.113.9"], "203.0.113.9"],
    [['Forwarded: for=1.2.3.4, for=203.0.113.9;ext="a, for=5.6.7.8", for=10.1.2.3'], "203.0.113.9"],
    // A client's quote without an end does not hide the proxy's own element.
    [['Forwarded: for="1.2.3.4, for=203.0.113.9'], "203.0.113.9"],
    [['Forwarded: for=1.2.3.4;x="\\", for=203.0.113.9;y="\\""'], "203.0.113.9"],
    [["Forwarded: for=unknown"], "127.0.0.1"],
    [["Forwarded: for=_hidden, for=10.1.2.3"], "10.1.2.3"],
    [["Forwarded: proto=https"], "127.0.0.1"],
    [["Forwarded: for=1.2.3.4;for=5.6.7.8"], "127.0.0.1"],
    [["Forwarded: for = 1.2.3.4"], "127.0.0.1"],
    [["Forwarded: 1.2.3.4"], "127.0.0.1"],
    [["Forwarded: "], "127.0.0.1"],
    [[`Forwarded: for=1.2.3.4;x=${"y".repeat(2000)}`], "127.0.0.1"],
    [[`Forwarded: ${'"'.repeat(9001)}`], "127.0.0.1"],
    [[`Forwarded: ${"\\".repeat(9000)}"`], "127.0.0.1"],
    [[`Forwarded: for=1.2.3.4${",for=10.0.0.1".repeat(600)}`], "10.0.0.1"],

    // Both: only what they agree on.
    [["Forwarded: for=203.0.113.9", "X-Forwarded-For: 203.0.113.9"], "203.0.113.9"],
    [["Forwarded: for=203.0.113.9;proto=https", "X-Forwarded-Proto: https"], "203.0.113.9"],
    [["Forwarded: for=1.2.3.4", "X-Forwarded-For: 203.0.113.9"], "127.0.0.1"],
    [["Forwarded: for=unknown", "X-Forwarded-For: 203.0.113.9"], "127.0.0.1"],
    [["Forwarded: for=1.2.3.4, for=10.1.2.3", "X-Forwarded-For: 203.0.113.9, 10.1.2.3"], "127.0.0.1"],
  ] as const)
    it(`finds ${expected} with ${JSON.stringify(lines).slice(0, 90)}`, async () => {
      assert.equal((await lineOf(trusting(), lines))["client_address"], expected);
    });

  for (const name of ["Forwarded", "X-Forwarded-For"] as const)
    it(`finds the client before two proxies that append to ${name}, whatever it sends`, async () => {
      await using inner = await startForwardingProxy(trusting().url, name);
      await using outer = await startForwardingProxy(inner.url, name, "203.0.113.9");
      for (const lines of [
        [],
        ["X-Forwarded-For: 1.2.3.4"],
        ["X-Forwarded-For: 127.0.0.1"],
        ["Forwarded: for=1.2.3.4"],
        ['Forwarded: for="1.2.3.4'],
      ]) {
        const isOther = lines.some((line) => !line.startsWith(`${name}:`));
        const line = await lineOf(trusting(), lines, outer.url);
        // With a header that the proxies do not set, it is not known which one is theirs.
        assert.equal(line["client_address"], isOther ? "127.0.0.1" : "203.0.113.9", lines.join());
      }
    });

  it("writes IPv4 addresses of a dual-stack socket as IPv4, and believes them as such", async function () {
    const gateway = await startTestGateway({ BIND_ADDR: "[::]:0", TRUSTED_PROXIES: "127.0.0.0/8" }).catch(
      () => undefined,
    );
    if (gateway === undefined) {
      console.log("      skipped: this machine has no IPv6");
      return this.skip();
    }
    const url = `http://127.0.0.1:${new URL(gateway.url).port}`;
    assert.equal((await lineOf(gateway, [], url))["client_address"], "127.0.0.1");
    const forwarded = await lineOf(gateway, ["X-Forwarded-For: 203.0.113.9"], url);
    assert.equal(forwarded["client_address"], "203.0.113.9");
    const overIpv6 = await lineOf(
      gateway,
      ["X-Forwarded-For: 203.0.113.9"],
      gateway.url.replace("[::]", "[::1]"),
    );
    assert.equal(overIpv6["client_address"], "::1");
    await gateway.close();
  });

  for (const [id, expected] of [
    ["4bf92f35-77b3/a:b_c.d+e=f@g", "4bf92f35-77b3/a:b_c.d+e=f@g"],
    ["x".repeat(128), "x".repeat(128)],
    ["x".repeat(129), undefined],
    ["two words", undefined],
    ['a"b', undefined],
    ["a\u00e9", undefined],
    ["", undefined],
  ] as const)
    it(`${expected === undefined ? "ignores" : "logs"} the request id ${id.slice(0, 40)} of a trusted proxy`, async () => {
      const line = await lineOf(trusting(), [`X-Request-Id: ${id}`]);
      assert.equal(line["request_id"], expected);
    });

  it("responds with the trace id as X-Request-Id, whatever a trusted proxy sends", async () => {
    const { traceId, headers } = newTrace();
    const response = await trusting().fetch("/v1/healthz", {
      headers: { ...headers, "X-Request-Id": "other" },
    });
    assert.equal(response.headers.get("x-request-id"), traceId);
  });

  /** The client of a request that the proxy 10.0.0.1 sends on. */
  function clientOf(headers: Record<string, string>, proxies = "private") {
    const socket = new Socket();
    Object.defineProperty(socket, "remoteAddress", { value: "10.0.0.1" });
    const req = new IncomingMessage(socket);
    req.headers = headers;
    return createFindClient(settingsOf({ TRUSTED_PROXIES: proxies }).trustedProxies)(req);
  }

  const characters = "for=;,\"\\ :[]_1234.xhtps'".split("");
  const sent = fc.string({ unit: fc.constantFrom(...characters) });

  it("never finds an address that a client has chosen, whichever header the proxy appends to", () => {
    fc.assert(
      fc.property(sent, sent, (forwarded, forwardedFor) => {
        const byForwarded = {
          forwarded: `${forwarded}, for=203.0.113.9`,
          ...(forwardedFor === "" ? {} : { "x-forwarded-for": forwardedFor }),
        };
        const byXForwardedFor = {
          "x-forwarded-for": `${forwardedFor}, 203.0.113.9`,
          ...(forwarded === "" ? {} : { forwarded }),
        };
        for (const headers of [byForwarded, byXForwardedFor])
          assert.ok(["203.0.113.9", "10.0.0.1"].includes(clientOf(headers).address ?? ""));
        assert.equal(clientOf({ forwarded: byForwarded.forwarded }).address, "203.0.113.9");
      }),
      { numRuns: 300 },
    );
  });

  for (const [headers, expected] of [
    [{}, "http"],
    [{ "x-forwarded-proto": "https" }, "https"],
    [{ "x-forwarded-proto": "HTTPS", "x-forwarded-for": "203.0.113.9" }, "https"],
    [{ "x-forwarded-proto": "https, http", "x-forwarded-for": "203.0.113.9, 10.1.1.1" }, "https"],
    [{ "x-forwarded-proto": "https", "x-forwarded-for": "203.0.113.9, 10.1.1.1" }, "https"],
    // The last entry is the only one of a trusted proxy.
    [{ "x-forwarded-proto": "https, http", "x-forwarded-for": "203.0.113.9" }, "http"],
    [{ "x-forwarded-proto": "ftp" }, "http"],
    [{ "x-forwarded-proto": "" }, "http"],
    [{ forwarded: "proto=https" }, "https"],
    [{ forwarded: 'for=203.0.113.9;proto="https"' }, "https"],
    [{ forwarded: "for=203.0.113.9;proto=https, for=10.1.1.1;proto=http" }, "https"],
    [{ forwarded: "for=1.2.3.4;proto=https, for=203.0.113.9;proto=http" }, "http"],
    [{ forwarded: "proto=wss" }, "http"],
    [{ forwarded: "proto=https", "x-forwarded-proto": "https" }, "https"],
    [{ forwarded: "proto=https", "x-forwarded-proto": "http" }, "http"],
  ] as const)
    it(`finds the scheme ${expected} with ${JSON.stringify(headers)}`, () => {
      assert.equal(clientOf(headers).scheme, expected);
      assert.equal(clientOf(headers, "203.0.113.0/24").scheme, "http");
    });
});
