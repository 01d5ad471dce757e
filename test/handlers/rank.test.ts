import assert from "node:assert/strict";
import { create } from "@bufbuild/protobuf";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  RankDesignsRequestSchema,
  RankDesignsResponseSchema,
} from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import type { RankDesignsRequest } from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import type { Schema } from "../../src/contract.ts";
import { startSandbox } from "../../src/sandbox/start-sandbox.ts";
import { finishedRun } from "../support/finished-run.ts";
import { startTestGateway, suite } from "../support/gateway.ts";
import { jsonPost, threeSteps, workflowIn } from "../support/samples.ts";
import { sandboxSettings, settingsFor } from "../support/sandbox.ts";
import { callsDuring, startDisposableStack, startStack } from "../support/stack.ts";

const path = "/v1/workflows/w1/rank";

/** A request whose body is this text. */
const post = (body: string) => ({
  method: "POST",
  body,
  headers: { "Content-Type": "application/json" },
});

/** The violations in a 400 response, as `pointer message`. */
async function violationsIn(response: Response): Promise<string[]> {
  const { code, details = [] } = (await response.json()) as Schema["Error"];
  assert.equal(response.status, 400);
  assert.equal(code, "INVALID_ARGUMENT");
  return details.map((violation) => `${violation.path} ${violation.message}`);
}

describe("POST /v1/workflows/{id}/rank", () => {
  const stack = suite(() => startStack());

  /** Sends this body to a gateway whose orchestrator returns `ranking`; returns the requests that it received, too. */
  async function rank(body: string, ranking: MessageInitShape<typeof RankDesignsResponseSchema> = {}) {
    const received: RankDesignsRequest[] = [];
    stack().upstream.rpcs.rankDesigns = (request) => {
      received.push(request);
      return create(RankDesignsResponseSchema, ranking);
    };
    const response = await stack().gateway.fetch(path, post(body));
    return { response, received };
  }

  it("sends and returns every field", async () => {
    const { response, received } = await rank(
      JSON.stringify({
        metric: "plddt",
        maximize: false,
        filters: [{ metric: "ptm", min: 0, max: 0.9 }, { metric: "plddt" }],
        top_k: 4294967295,
      }),
      {
        designs: [
          {
            rank: 1,
            score: 88.5,
            id: "r2://b/a",
            kind: "artifact",
            sourceStep: "fold",
            metrics: { plddt: 88.5 },
          },
          {
            rank: 2,
            score: NaN,
            id: "seq:0",
            kind: "sequence",
            sourceStep: "seqs",
            metrics: { ptm: Infinity },
          },
        ],
        totalConsidered: 21,
        totalRanked: 2,
      },
    );
    assert.deepEqual(received, [
      create(RankDesignsRequestSchema, {
        workflowId: "w1",
        metric: "plddt",
        maximize: false,
        filters: [{ metric: "ptm", min: 0, max: 0.9 }, { metric: "plddt" }],
        topK: 4294967295,
      }),
    ]);
    assert.equal(response.status, 200);
    assert.deepEqual(await response.json(), {
      designs: [
        {
          rank: 1,
          score: 88.5,
          id: "r2://b/a",
          kind: "artifact",
          source_step: "fold",
          metrics: { plddt: 88.5 },
        },
        { rank: 2, id: "seq:0", kind: "sequence", source_step: "seqs", metrics: {} },
      ],
      total_considered: 21,
      total_ranked: 2,
    });
  });

  const requests: [body: string, expected: MessageInitShape<typeof RankDesignsRequestSchema>][] = [
    ['{"metric":"m"}', {}],
    ['{"metric":"m","filters":[],"top_k":0}', {}],
    ['{"metric":"m","top_k":-0}', {}],
    ['{"metric":"m","top_k":1e2}', { topK: 100 }],
    ['{"metric":"m","maximize":true}', { maximize: true }],
    [
      '{"metric":"m","filters":[{"metric":"n","min":1,"max":1}]}',
      { filters: [{ metric: "n", min: 1, max: 1 }] },
    ],
  ];
  for (const [body, expected] of requests)
    it(`accepts ${body}`, async () => {
      const { response, received } = await rank(body);
      assert.deepEqual(await response.json(), { designs: [], total_considered: 0, total_ranked: 0 });
      assert.deepEqual(received, [
        create(RankDesignsRequestSchema, { workflowId: "w1", metric: "m", ...expected }),
      ]);
    });

  const unknown = "is not a property of this object; known properties: metric, maximize, filters, top_k";
  for (const [body, ...violations] of [
    ["{}", "/body/metric is required"],
    ["[]", "/body must be object"],
    ["null", "/body must be object"],
    ["", "/body must be JSON: the body is empty"],
    ['{"metric":""}', "/body/metric must not be empty"],
    ['{"metric":"a\\u0000"}', "/body/metric must not contain control characters"],
    ['{"metric":"\\ud800"}', "/body/metric must be well-formed Unicode"],
    ['{"metric":"m","limit":1}', `/body/limit ${unknown}`],
    ['{"metric":"m","__proto__":1}', `/body/__proto__ ${unknown}`, "/body/__proto__ is not allowed as a key"],
    ['{"metric":"m","maximize":"true"}', "/body/maximize must be true or false; leave out the quotes"],
    [
      '{"metric":"m","maximize":null}',
      "/body/maximize must be true or false; leave it out instead of sending null",
    ],
    ['{"metric":"m","top_k":"5"}', "/body/top_k must be integer; leave out the quotes"],
    ['{"metric":"m","top_k":1.5}', "/body/top_k must be integer"],
    ['{"metric":"m","top_k":-1}', "/body/top_k must be >= 0"],
    ['{"metric":"m","top_k":4294967296}', "/body/top_k must be <= 4294967295"],
    [
      '{"metric":"m","top_k":1e999}',
      "/body/top_k must be integer",
      "/body/top_k must be within the range of a double",
    ],
    ['{"metric":"m","filters":{}}', "/body/filters must be array"],
    ['{"metric":"m","filters":[{}]}', "/body/filters/0/metric is required"],
    [
      '{"metric":"m","filters":[{"metric":"n","min":"1"}]}',
      "/body/filters/0/min must be number; leave out the quotes",
    ],
    [
      '{"metric":"m","filters":[{"metric":"n","min":1e999,"max":1}]}',
      "/body/filters/0/min must be number",
      "/body/filters/0/min must be within the range of a double",
    ],
    [
      '{"metric":"m","filters":[{"metric":"n","min":2,"max":1}]}',
      "/body/filters/0/max must not be less than min",
    ],
    [
      '{"filters":[{"metric":"n"},{"metric":"n","min":2,"max":1,"is":3}],"top_k":-1}',
      "/body/metric is required",
      "/body/filters/1/is is not a property of this object; known properties: metric, min, max",
      "/body/top_k must be >= 0",
      "/body/filters/1/max must not be less than min",
    ],
  ] as const)
    it(`rejects ${body || "an empty body"} with all violations, without a call`, async () => {
      const { response, received } = await rank(body);
      assert.deepEqual((await violationsIn(response)).sort(), [...violations].sort());
      assert.deepEqual(received, []);
    });

  it("accepts at most 64 filters", async () => {
    const filters = Array.from({ length: 65 }, () => ({ metric: "m" }));
    const { received } = await rank(JSON.stringify({ metric: "m", filters: filters.slice(1) }));
    assert.equal(received[0]?.filters.length, 64);
    const { response } = await rank(JSON.stringify({ metric: "m", filters }));
    assert.deepEqual(await violationsIn(response), ["/body/filters must not have more than 64 items"]);
  });

  describe("of a workflow with designs, none of them ranked", () => {
    const outputs = [{ metrics: { plddt: 90, ptm: 0.5 } }];
    const body = JSON.stringify({ metric: "pLDDT", filters: [{ metric: "ptm", min: 0.9 }] });

    /** The response and the calls for a workflow in this state. */
    async function rankIn(state: JobState, requestBody: string, ranking: { totalRanked?: number } = {}) {
      stack().upstream.rpcs.getWorkflow = () => workflowIn(state, outputs);
      let response: Response | undefined;
      const calls = await callsDuring(stack().upstream, async () => {
        ({ response } = await rank(requestBody, { totalConsidered: 1, ...ranking }));
      });
      return { response: response!, rpcs: calls.map(({ rpc }) => rpc) };
    }

    for (const state of [JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED])
      it(`responds with 400 that names the metrics of a workflow that is ${JobState[state]}`, async () => {
        const { response, rpcs } = await rankIn(state, body);
        assert.deepEqual(await violationsIn(response), [
          "/body/metric must be one of the metrics of this workflow: plddt, ptm; did you mean plddt?",
        ]);
        assert.deepEqual(rpcs, ["RankDesigns", "GetWorkflow"]);
      });

    it("reports a filter's metric", async () => {
      const filtered = JSON.stringify({ metric: "ptm", filters: [{ metric: "plddt" }, { metric: "pae" }] });
      const { response } = await rankIn(JobState.SUCCEEDED, filtered);
      assert.deepEqual(await violationsIn(response), [
        "/body/filters/1/metric must be one of the metrics of this workflow: plddt, ptm",
      ]);
    });

    for (const [what, state, requestBody] of [
      ["is not terminal, and may get the metric", JobState.RUNNING, body],
      ["has the metrics, and no design that passes the filters", JobState.SUCCEEDED, '{"metric":"ptm"}'],
    ] as const)
      it(`responds with an empty ranking if the workflow ${what}`, async () => {
        const { response } = await rankIn(state, requestBody);
        assert.equal(response.status, 200);
        assert.deepEqual(await response.json(), { designs: [], total_considered: 1, total_ranked: 0 });
      });

    it("does not read the workflow if a design is ranked", async () => {
      const { response, rpcs } = await rankIn(JobState.SUCCEEDED, body, { totalRanked: 1 });
      assert.equal(response.status, 200);
      assert.deepEqual(rpcs, ["RankDesigns"]);
    });

    it("reads the workflow as the caller", async () => {
      await using keys = await startDisposableStack(
        {
          authenticateApiKey: () => ({ allowed: true, principal: "alice" }),
          rankDesigns: () => ({ totalConsidered: 1 }),
          getWorkflow: () => workflowIn(JobState.SUCCEEDED, outputs),
        },
        { API_KEYS_ENABLED: "true" },
      );
      const calls = await callsDuring(keys.upstream, async () => {
        const response = await keys.gateway.fetch(path, { ...post(body), token: "alices" });
        assert.equal(response.status, 400);
      });
      const read = calls.find(({ rpc }) => rpc === "GetWorkflow");
      assert.equal(read?.metadata.get("ff-principal"), "alice");
    });
  });

  it("responds with 415 without a body, 405 to other methods, and 400 to a query", async () => {
    const { gateway, upstream } = stack();
    const calls = await callsDuring(upstream, async () => {
      assert.equal((await gateway.fetch(path, { method: "POST" })).status, 415);
      for (const method of ["GET", "HEAD", "PUT", "DELETE"]) {
        const response = await gateway.fetch(path, { method });
        assert.deepEqual([response.status, response.headers.get("allow")], [405, "POST"]);
      }
      const response = await gateway.fetch(`${path}?top_k=1`, jsonPost({ metric: "m" }));
      assert.deepEqual(await violationsIn(response), ["/query/top_k is not a parameter of this operation"]);
    });
    assert.deepEqual(calls, []);
  });
});

describe("the ranking of a run", () => {
  const sandbox = suite(() => startSandbox(sandboxSettings));
  const gateway = suite(() => startTestGateway(settingsFor(sandbox())));
  let id = "";
  before("a run of alice's", async () => {
    id = await finishedRun(gateway(), threeSteps, "alice-key");
  });

  async function rank(body: Schema["RankRequest"], token = "alice-key", workflow = id) {
    const response = await gateway().fetch(`/v1/workflows/${workflow}/rank`, { ...jsonPost(body), token });
    return {
      status: response.status,
      body: (await response.json()) as Schema["RankResponse"] & Schema["Error"],
    };
  }

  const scoresOf = ({ designs }: Schema["RankResponse"]) => designs.map(({ score = NaN }) => score);

  it("has the outputs of its steps, best first, with their ranks", async () => {
    const { status, body } = await rank({ metric: "plddt" });
    assert.equal(status, 200);
    const scores = scoresOf(body);
    assert.ok(scores.length > 1);
    assert.deepEqual(
      scores,
      scores.toSorted((one, other) => other - one),
    );
    assert.deepEqual(
      body.designs.map(({ rank: place }) => place),
      scores.map((_, index) => index + 1),
    );
    const workflow = await gateway().fetch(`/v1/workflows/${id}`, { token: "alice-key" });
    const { step_statuses } = (await workflow.json()) as Schema["Workflow"];
    const fold = step_statuses.find(({ step_id }) => step_id === "fold");
    const folded = fold!.outputs.map(({ sha256, metrics }) => `${sha256} ${metrics["plddt"]}`);
    assert.deepEqual(body.designs.map((design) => `${design.id} ${design.score}`).sort(), folded.sort());
    assert.deepEqual(new Set(body.designs.map(({ source_step }) => source_step)), new Set(["fold"]));
    assert.equal(body.total_ranked, scores.length);
    assert.ok(body.total_considered > scores.length, "designs without the metric are considered too");
  });

  it("applies order, filters and limit", async () => {
    const all = scoresOf((await rank({ metric: "plddt" })).body);
    assert.deepEqual(scoresOf((await rank({ metric: "plddt", maximize: false })).body), all.toReversed());
    const best = (await rank({ metric: "plddt", top_k: 1 })).body;
    assert.deepEqual([scoresOf(best), best.total_ranked], [all.slice(0, 1), 1]);
    const filters = [{ metric: "plddt", min: all[1]!, max: all[1]! }];
    assert.deepEqual(new Set(scoresOf((await rank({ metric: "plddt", filters })).body)), new Set([all[1]]));
  });

  it("is 400 for an unknown metric, with those that the designs have", async () => {
    for (const metric of ["__proto__", "pLDDT"]) {
      const { status, body } = await rank({ metric });
      assert.deepEqual([status, body.code], [400, "INVALID_ARGUMENT"]);
      assert.match(body.message, /^\/body\/metric must be one of .*\bglobal_score\b.*\bplddt\b/);
      assert.equal(body.message.endsWith("did you mean plddt?"), metric === "pLDDT");
    }
  });

  it("responds with 404 to other principals", async () => {
    const [theirs, missing] = [
      await rank({ metric: "plddt" }, "bob-key"),
      await rank({ metric: "plddt" }, "bob-key", "none"),
    ];
    assert.equal(theirs.status, 404);
    assert.deepEqual([theirs.body.code, missing.body.code], ["NOT_FOUND", "NOT_FOUND"]);
    assert.equal(theirs.body.message.replace(id, "none"), missing.body.message);
  });
});
