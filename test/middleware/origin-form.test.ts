import assert from "node:assert/strict";
import { adminToken, suite } from "../support/gateway.ts";
import { sendText } from "../support/raw-http.ts";
import { startStack } from "../support/stack.ts";

describe("a request target that is not a plain path", () => {
  const stack = suite(() => startStack({ listWorkflows: () => ({}) }));

  /** The answer to a GET of `target`, as it stands on the wire. */
  async function get(
    target: string,
    authorization = `Authorization: Bearer ${adminToken}\r\n`,
  ): Promise<string> {
    const head = `GET ${target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${authorization}\r\n`;
    return sendText(stack().gateway.url, head);
  }

  for (const [target, status] of [
    ["http://elsewhere/v1/workflows", 200],
    ["HTTPS://user@elsewhere:99/v1/workflows?page_size=3", 200],
    ["http://elsewhere/v1/workflows?page_size=0x3", 400],
    ["http://elsewhere/v1/workflows/a%2Fb", 400],
    ["http://elsewhere/v1/nothing", 404],
    ["http://elsewhere", 404],
    ["http://", 404],
    ["/v1/workflows#fragment", 400],
    ["/v1/workflows/..", 400],
    ["//elsewhere/v1/workflows", 404],
    ["/v1/workflows?label=%ff%3d1", 400],
  ] as const)
    it(`answers ${status} to ${target}`, async () => {
      assert.match(await get(target), new RegExp(`^HTTP/1.1 ${status} `));
    });

  it("answers with the one error body, whatever the target", async () => {
    assert.match(await get("http://"), /\{"code":"NOT_FOUND",.*"trace_id":"[0-9a-f]{32}"\}/);
  });

  it("wants a token all the same", async () => {
    assert.match(await get("http://elsewhere/v1/workflows", ""), /^HTTP\/1.1 401 /);
  });
});
