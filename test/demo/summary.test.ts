import assert from "node:assert/strict";
import { createGatewayClient } from "../../src/demo/client.ts";
import type { Schema } from "../../src/demo/client.ts";
import { bestDesigns, costOf } from "../../src/demo/summary.ts";
import { sendJson, startHttp } from "./support.ts";

/** Calls `act` with a client of a gateway that sends this response. */
async function against<Result>(
  status: number,
  body: unknown,
  act: (client: ReturnType<typeof createGatewayClient>) => Promise<Result>,
): Promise<Result> {
  await using service = await startHttp((_req, res) => sendJson(res, status, body));
  return await act(createGatewayClient(service.url, "key"));
}

describe("bestDesigns", () => {
  const file = { content_type: "", size_bytes: 1, metrics: {} };
  const workflow: Schema["Workflow"] = {
    id: "w",
    name: "n",
    state: "SUCCEEDED",
    steps: [],
    labels: {},
    step_statuses: [
      {
        step_id: "fold",
        state: "SUCCEEDED",
        fraction: 1,
        sequences: [],
        outputs: [
          { ...file, name: "fold-0.pdb", uri: "r2://b/x", sha256: "ab" },
          { ...file, name: "fold-10.pdb", uri: "r2://b/y", sha256: "cd" },
        ],
      },
    ],
  };

  it("names the files of designs that are identified by uri or SHA-256", async () => {
    const design = { kind: "artifact", source_step: "fold", metrics: {} };
    const designs = [
      { ...design, rank: 1, score: 91.26, id: "cd" },
      { ...design, rank: 2, score: 90, id: "r2://b/x" },
      { ...design, rank: 3, score: 8, id: "seq:1" },
    ];
    const lines = await against(200, { designs }, (client) => bestDesigns(client, workflow));
    assert.deepEqual(lines, ["1. fold-10.pdb  91.3", "2. fold-0.pdb   90.0", "3. seq:1        8.0"]);
  });
});

describe("costOf", () => {
  const entry = (delta: number, balance_after: number, workflow_id?: string) => ({
    delta,
    balance_after,
    reason: "any",
    ...(workflow_id === undefined ? {} : { workflow_id }),
  });
  const denied = { code: "PERMISSION_DENIED", message: "no credits", retryable: false };

  for (const [what, status, body, expected] of [
    [
      "adds up what is deducted and refunded for the workflow",
      200,
      {
        entries: [entry(5, 98_775, "w"), entry(-1200, 98_770, "w"), entry(-30, 99_970, "v"), entry(1e5, 1e5)],
      },
      "1,195 credits; 98,775 are left",
    ],
    ["is 0 without entries", 200, { entries: [] }, "0 credits; 0 are left"],
    ["is nothing for the administrator", 403, denied, "nothing: the administrator's token has no credits"],
  ] as const)
    it(what, async () => {
      assert.equal(await against(status, body, (client) => costOf(client, "w")), expected);
    });

  it("rejects at any other error", async () => {
    const body = { code: "INTERNAL", message: "internal server error", retryable: false };
    await assert.rejects(
      against(500, body, (client) => costOf(client, "w")),
      { message: "the gateway responds with 500 INTERNAL: internal server error" },
    );
  });
});
