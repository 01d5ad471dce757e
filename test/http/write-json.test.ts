import assert from "node:assert/strict";
import { create, toBinary } from "@bufbuild/protobuf";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import { WorkflowSchema } from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import { ByteSemaphore } from "../../src/load-shedding/byte-semaphore.ts";
import { TaskQueue } from "../../src/load-shedding/task-queue.ts";
import { createLogger } from "../../src/telemetry/logger.ts";
import { createWriteJson } from "../../src/http/write-json.ts";
import { textOf, transcode, transcoders } from "../mapping/transcode.ts";

/** A state that the contract does not know. */
const unknownState: JobState = JSON.parse("9");

function encoded(workflow: MessageInitShape<typeof WorkflowSchema>): Uint8Array {
  return toBinary(WorkflowSchema, create(WorkflowSchema, workflow));
}

/** A task queue that counts. */
class CountedTasks extends TaskQueue {
  count = 0;

  override run<T>(owner: string | undefined, slices: Iterator<void, T>): Promise<T> {
    this.count += 1;
    return super.run(owner, slices);
  }
}

describe("createWriteJson", () => {
  function start() {
    const lines: string[] = [];
    const logger = createLogger({ write: (line) => void lines.push(line) });
    const tasks = new CountedTasks();
    const memory = new ByteSemaphore(1_000_000);
    const writeJson = createWriteJson(tasks, memory, logger);
    return {
      tasks,
      memory,
      // Async, so that a small message rejects like a large one.
      writeJson: async (...args: Parameters<typeof writeJson>) => await writeJson(...args),
      logged: () => lines.map((line) => JSON.parse(line)),
    };
  }

  for (const [what, bytes, count] of [
    ["a small message at once", encoded({ id: "w1" }), 0],
    ["a large one as a task", encoded({ id: "x".repeat(70_000) }), 1],
  ] as const)
    it(`writes ${what}`, async () => {
      const { tasks, writeJson } = start();
      const text = Buffer.concat(
        (await writeJson(transcoders.workflow, bytes, undefined)).pieces(),
      ).toString();
      assert.equal(text, textOf(transcode(transcoders.workflow, bytes)));
      assert.equal(tasks.count, count);
    });

  it("rejects for bytes that are no message, small or large", async () => {
    const { writeJson } = start();
    for (const bytes of [encoded({ id: "w1" }), encoded({ id: "x".repeat(70_000) })])
      await assert.rejects(writeJson(transcoders.workflow, bytes.subarray(0, -1), undefined), RangeError);
  });

  it("acquires memory for a large text until it is disposed of", async () => {
    const { writeJson, memory } = start();
    const large = encoded({ id: "x".repeat(100_000) });
    const other = memory.tryAcquire(500_000)!;
    const writing = writeJson(transcoders.workflow, large, undefined);
    assert.equal(memory.firstWaiter?.bytes, 6 * large.length);
    other.resize(0);
    const text = await writing;
    assert.equal(memory.used, Buffer.concat(text.pieces()).length);
    text[Symbol.dispose]();
    text[Symbol.dispose]();
    assert.deepEqual([memory.used, text.pieces()], [0, []]);
    await assert.rejects(writeJson(transcoders.workflow, large.subarray(0, -1), undefined), RangeError);
    assert.equal(memory.used, 0);
    await writeJson(transcoders.workflow, encoded({ id: "w1" }), undefined);
    assert.equal(memory.used, 0);
  });

  it("rejects with Unavailable when too many wait for memory", async () => {
    const { writeJson, memory } = start();
    memory.tryAcquire(memory.limit);
    const large = encoded({ id: "x".repeat(20_000) });
    const waiting = Array.from({ length: 1024 }, () => writeJson(transcoders.workflow, large, undefined));
    await assert.rejects(writeJson(transcoders.workflow, large, undefined), { code: Code.Unavailable });
    assert.equal(waiting.length, 1024);
  });

  it("warns of corrected values, with their workflow, once a minute", async () => {
    const { writeJson, logged } = start();
    await writeJson(transcoders.workflow, encoded({ id: "w1", state: JobState.RUNNING }), undefined);
    assert.deepEqual(logged(), []);
    await writeJson(
      transcoders.workflow,
      encoded({ id: "w2", state: unknownState, createdAt: { nanos: -1 } }),
      undefined,
    );
    await writeJson(transcoders.workflow, encoded({ id: "w3", state: unknownState }), undefined);
    assert.deepEqual(
      logged().map(({ level, event, field, workflow_id, omitted }) => [
        level,
        event,
        field,
        workflow_id,
        omitted,
      ]),
      [["warn", "response.corrected", "state", "w2", 0]],
    );
  });
});
