import assert from "node:assert/strict";
import { adminToken, suite } from "../support/gateway.ts";
import { sendText } from "../support/raw-http.ts";
import { startStack } from "../support/stack.ts";

describe("originForm", () => {
  const stack = suite(() => startStack({ listWorkflows: () => ({}) }));

  /** The response to a GET of `target`, as text. */
  async function get(
    target: string,
    authorization = `Authorization: Bearer ${adminToken}\r\n`,
  ): Promise<string> {
    const head = `GET ${target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${authorization}\r\n`;
    return sendText(stack().gateway.url, head);
  }

  for (const [target, status] of [
    ["http://elsewhere/v1/workflows", 200],
    ["HTTPS://elsewhere:99/v1/workflows?page_size=3", 200],
    ["http://[::1]:99/v1/workflows", 200],
    ["http://elsewhere?page_size=3", 302],
    ["http://elsewhere/v1/workflows?page_size=0x3", 400],
    ["http://elsewhere/v1/workflows/a%2Fb", 400],
    ["http://elsewhere/v1/nothing", 404],
    ["http://elsewhere", 302],
    ["http://", 400],
    ["http:///v1/workflows", 400],
    ["http://:80/v1/workflows", 400],
    ["http://user@elsewhere/v1/workflows", 400],
    ["http://user:password@elsewhere/v1/workflows", 400],
    ["http://else%where/v1/workflows", 400],
    ["http://elsewhere:port/v1/workflows", 400],
    ["http:/v1/workflows", 400],
    ["ftp://elsewhere/v1/workflows", 400],
    ["elsewhere:80", 400],
    ["v1/workflows", 400],
    ["*", 400],
    ["/v1/workflows#fragment", 400],
    ["/v1/workflows/..", 400],
    ["//elsewhere/v1/workflows", 404],
    ["/v1/workflows?label=%ff%3d1", 400],
  ] as const)
    it(`responds with ${status} to ${target}`, async () => {
      assert.match(await get(target), new RegExp(`^HTTP/1.1 ${status} `));
    });

  it("responds with the error body of the API", async () => {
    assert.match(await get("http://"), /\{"code":"INVALID_ARGUMENT",.*"trace_id":"[0-9a-f]{32}"\}/);
  });

  it("closes the connection after an invalid target, and logs nothing of it", async () => {
    const before = stack().gateway.logs.length;
    assert.match(await get("http://user:password@elsewhere/v1/workflows"), /^connection: close\r$/im);
    const logged = stack().gateway.logs.slice(before);
    assert.deepEqual(
      logged.map(({ event, path, status }) => [event, path, status]),
      [["request.completed", "(unmatched)", 400]],
    );
    assert.doesNotMatch(JSON.stringify(logged), /password|elsewhere/);
  });

  it("responds with 401 to an absolute form without a token", async () => {
    assert.match(await get("http://elsewhere/v1/workflows", ""), /^HTTP\/1.1 401 /);
  });
});
