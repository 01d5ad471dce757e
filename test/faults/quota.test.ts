import assert from "node:assert/strict";
import { startSandbox } from "../../src/sandbox/start-sandbox.ts";
import { startTestGateway, suite } from "../support/gateway.ts";
import { jsonPost, oneStep } from "../support/samples.ts";
import { sandboxSettings, settingsFor } from "../support/sandbox.ts";

const limit = 60;
const tries = 200;
const token = "small-key";

describe(`${tries} concurrent submissions over two gateways, with a quota of ${limit}`, () => {
  const sandbox = suite(() =>
    startSandbox({
      ...sandboxSettings,
      apiKeys: [{ principal: "dave", key: token, limit, windowSeconds: 3600 }],
      stepSeconds: 3600,
    }),
  );
  const gateways = [
    suite(() => startTestGateway(settingsFor(sandbox()))),
    suite(() => startTestGateway(settingsFor(sandbox()))),
  ] as const;
  let responses: { status: number; headers: Headers; body: Record<string, unknown> }[] = [];

  before("submit", async () => {
    const submit = async (_: unknown, i: number) => {
      const response = await gateways[i % 2]!().fetch("/v1/workflows", { ...jsonPost(oneStep), token });
      const body = (await response.json()) as Record<string, unknown>;
      return { status: response.status, headers: response.headers, body };
    };
    responses = await Promise.all(Array.from({ length: tries }, submit));
  });

  const accepted = () => responses.filter(({ status }) => status === 201);
  const rejected = () => responses.filter(({ status }) => status !== 201);

  it(`are accepted exactly ${limit} times, each with the remaining number`, () => {
    assert.equal(accepted().length, limit);
    for (const { headers } of accepted()) assert.equal(headers.get("x-ratelimit-limit"), String(limit));
    const left = accepted().map(({ headers }) => Number(headers.get("x-ratelimit-remaining")));
    assert.deepEqual(
      left.sort((a, b) => a - b),
      Array.from({ length: limit }, (_, i) => i),
    );
  });

  it("are rejected with 429 and Retry-After otherwise", () => {
    assert.equal(rejected().length, tries - limit);
    for (const { status, headers, body } of rejected()) {
      assert.equal(status, 429);
      assert.match(String(headers.get("retry-after")), /^[1-9][0-9]*$/);
      assert.equal(headers.get("x-ratelimit-limit"), String(limit));
      assert.equal(headers.get("x-ratelimit-remaining"), "0");
      assert.deepEqual([body["code"], body["retryable"]], ["RESOURCE_EXHAUSTED", true]);
    }
  });

  it("create the accepted workflows, and no others", async () => {
    const response = await gateways[0]().fetch("/v1/workflows?page_size=100", { token });
    const { workflows, next_page_token } = (await response.json()) as {
      workflows: { id: string }[];
      next_page_token: string;
    };
    assert.equal(next_page_token, "");
    assert.deepEqual(
      workflows.map(({ id }) => id).sort(),
      accepted()
        .map(({ body }) => body["id"])
        .sort(),
    );
    assert.equal(workflows.length, limit);
  });

  it("make one ConsumeQuota each, and one SubmitWorkflow for each that is accepted", () => {
    assert.equal(sandbox().calls.get("ConsumeQuota"), tries);
    assert.equal(sandbox().calls.get("SubmitWorkflow"), limit);
  });
});
