import assert from "node:assert/strict";
import { toBinary, create } from "@bufbuild/protobuf";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import { SubmitWorkflowRequestSchema } from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import { suite } from "../support/gateway.ts";
import { jsonPost, oneStep, workflowIn } from "../support/samples.ts";
import { callsDuring, startStack } from "../support/stack.ts";

/** A workflow that is small as JSON and large as protobuf: each number takes 11 bytes there. */
function numbers(count: number) {
  return {
    name: "many",
    steps: [{ id: "a", tool: "af2", params: { x: Array.from({ length: count }, () => 1) } }],
  };
}

describe("POST /v1/workflows, size of the message", () => {
  const stack = suite(() =>
    startStack(
      {
        authenticateApiKey: () => ({ allowed: true, principal: "alice" }),
        consumeQuota: () => ({ allowed: true, limit: 10n, used: 1n }),
        submitWorkflow: () => workflowIn(JobState.QUEUED),
      },
      { API_KEYS_ENABLED: "true" },
    ),
  );

  async function send(body: unknown, query = "") {
    const { gateway } = stack();
    const response = await gateway.fetch(`/v1/workflows${query}`, { ...jsonPost(body), token: "a-key" });
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  }

  const tooLarge = numbers(381_500);
  /** The length of its message. */
  let bytes = 0;
  before("encode", () => {
    const spec = { ...tooLarge, steps: [{ ...tooLarge.steps[0]!, dependsOn: [] }] };
    bytes = toBinary(SubmitWorkflowRequestSchema, create(SubmitWorkflowRequestSchema, { spec })).length;
  });

  for (const query of ["", "/validate"]) {
    it(`returns 413 for a message that gRPC servers would reject, before it counts against the quota${query}`, async () => {
      const calls = await callsDuring(stack().upstream, async () => {
        const response = await send(tooLarge, query);
        assert.equal(response.status, 413);
        assert.match(String(response.body["message"]), new RegExp(`\\b${bytes} bytes\\b.*\\b4194304\\b`));
        assert.deepEqual([response.body["code"], response.body["retryable"]], ["INVALID_ARGUMENT", false]);
      });
      assert.deepEqual(
        calls.map(({ rpc }) => rpc).filter((rpc) => rpc !== "AuthenticateApiKey"),
        [],
      );
    });
  }

  it("accepts a message of almost 4 MiB", async () => {
    assert.equal((await send(numbers(360_000))).status, 201);
  });

  it("uses the limit of ORCHESTRATOR_MAX_REQUEST_BYTES", async () => {
    const { upstream } = stack();
    const small = await startStack({}, { ORCHESTRATOR_MAX_REQUEST_BYTES: "65536" });
    try {
      small.upstream.rpcs.submitWorkflow = upstream.rpcs.submitWorkflow!;
      const post = async (body: unknown) =>
        (await small.gateway.fetch("/v1/workflows", jsonPost(body))).status;
      assert.deepEqual([await post(oneStep), await post(numbers(10_000))], [201, 413]);
    } finally {
      await small.close();
    }
  });

  it("accepts real params: a PSSM of 625 kB and an inline PDB of 1,000 kB", async () => {
    const pssm = Array.from({ length: 1700 }, (_, row) =>
      Array.from({ length: 20 }, (_, column) => Math.sin(row * 20 + column)),
    );
    const pdb = "ATOM      1  N   GLY A   1      -0.966   0.493   1.500  1.00 91.20           N\n".repeat(
      12_300,
    );
    for (const params of [{ pssm }, { pdb }]) {
      const body = { name: "real", steps: [{ id: "a", tool: "proteinmpnn", params }] };
      assert.ok(JSON.stringify(body).length > 600_000);
      let arrived: unknown;
      stack().upstream.rpcs.submitWorkflow = ({ spec }) => {
        arrived = spec?.steps[0]?.params;
        return workflowIn(JobState.QUEUED);
      };
      assert.equal((await send(body)).status, 201);
      assert.deepEqual(arrived, params);
    }
  });
});
