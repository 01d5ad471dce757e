import assert from "node:assert/strict";
import { setImmediate as nextTurn } from "node:timers/promises";
import { create } from "@bufbuild/protobuf";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import { WorkflowSpecSchema } from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import { createBilling } from "../../src/sandbox/billing.ts";
import { createMetrics } from "../../src/sandbox/metrics.ts";
import type { ObjectStore } from "../../src/sandbox/object-store.ts";
import { createRunner } from "../../src/sandbox/runner.ts";
import { tools } from "../../src/sandbox/tools/tools.ts";
import { createWorkflowRecord } from "../../src/sandbox/workflow-record.ts";
import { readAll } from "./support.ts";

const now = () => 0;

function setUp(put: ObjectStore["put"]) {
  const store: ObjectStore = { url: "", bucket: "b", put, close: () => Promise.resolve() };
  const spec = create(WorkflowSpecSchema, {
    name: "n",
    steps: [{ id: "a", tool: "rfdiffusion", params: { num_designs: 3 } }],
  });
  const record = createWorkflowRecord({ id: "w", principal: "alice", spec, now });
  const billing = createBilling({ accounts: new Map(), pricePerStep: 10n, now });
  const metrics = createMetrics([...tools.keys()]);
  const runner = createRunner({ tools, store, billing, metrics, stepSeconds: 0, now });
  const events = readAll(record.log.follow(0n, record.isTerminal, new AbortController().signal));
  return { record, runner, events };
}

describe("createRunner", () => {
  it("stops writing and reporting when it is cancelled between two files", async () => {
    let written = 0;
    const { record, runner, events } = setUp(() => {
      written += 1;
      runner.cancel(record);
      return Promise.resolve();
    });
    runner.start(record);
    const last = (await events).at(-1)?.event;
    await runner.close();
    assert.equal(written, 1);
    assert.ok(last?.case === "workflowUpdate" && last.value.state === JobState.CANCELLED);
    assert.equal(record.workflow, last.value);
  });

  it("fails a step whose files cannot be stored, with the reason", async () => {
    const { record, runner, events } = setUp(() => Promise.reject(new Error("disk full")));
    runner.start(record);
    await events;
    assert.equal(record.workflow.state, JobState.FAILED);
    const { error } = record.status("a");
    assert.deepEqual(
      [error?.code, error?.message, error?.retryable],
      ["INTERNAL", "Error: disk full", false],
    );
  });

  it("waits for running steps when it closes", async () => {
    let release = () => {};
    const writing = new Promise<void>((resolve) => (release = resolve));
    const started = Promise.withResolvers<undefined>();
    const { record, runner } = setUp(() => {
      started.resolve(undefined);
      return writing;
    });
    runner.start(record);
    await started.promise;
    let closed = false;
    const closing = runner.close().then(() => (closed = true));
    await nextTurn();
    assert.equal(closed, false);
    release();
    await closing;
    assert.equal(record.status("a").state, JobState.RUNNING);
  });
});
