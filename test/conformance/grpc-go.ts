import assert from "node:assert/strict";
import { keepaliveOf } from "../grpc/responses.ts";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { Code } from "@connectrpc/connect";
import { readWorkflowId } from "../../src/mapping/workflow.ts";
import { createOrchestrator } from "../../src/orchestrator/client.ts";
import { createLogger } from "../../src/telemetry/logger.ts";

const execute = promisify(execFile);

/** A short keepalive time: by default, grpc-go allows one ping in 5 minutes. */
const keepalive = keepaliveOf(200);

/** Builds the server, from modules that Go downloads; undefined if that fails. */
async function build(folder: string): Promise<string | undefined> {
  const program = join(folder, "server");
  const cwd = join(import.meta.dirname, "grpc-go");
  try {
    await execute("go", ["build", "-o", program, "."], { cwd, timeout: 170_000 });
    return program;
  } catch {
    return undefined;
  }
}

/** A server of grpc-go with its default settings, and the orchestrator's client. */
async function startPair(program: string) {
  const child = spawn(program, { stdio: ["ignore", "pipe", "ignore"] });
  const exit = once(child, "exit");
  const [url] = (await once(createInterface(child.stdout), "line")) as [string];
  let rejections = 0;
  const { client, close } = createOrchestrator([url], {
    keepalive,
    logger: createLogger({ write: () => undefined }),
    onKeepaliveRejected: () => (rejections += 1),
  });
  return {
    client,
    get rejections() {
      return rejections;
    },
    child,
    async [Symbol.asyncDispose]() {
      close();
      child.kill("SIGKILL");
      await exit;
    },
  };
}

describe("createOrchestrator with a grpc-go server", () => {
  let folder = "";
  let program = "";

  before(async function () {
    folder = await mkdtemp(join(tmpdir(), "grpc-go-"));
    const built = await build(folder);
    if (built === undefined) {
      console.log("    skipped: Go, or its module google.golang.org/grpc, is missing");
      this.skip();
    }
    program = built;
  });

  after(() => rm(folder, { recursive: true }));

  it("keeps calls that take many times the keepalive time, and idle server streams", async () => {
    await using pair = await startPair(program);
    const { client, child } = pair;
    const streams = [1, 2, 3].map(() => client.streamWorkflowEvents({})[Symbol.asyncIterator]());
    for (const stream of streams) assert.equal((await stream.next()).done, false);
    const nexts = streams.map((stream) => stream.next());
    const anyEnd = Promise.race(nexts);
    const calls = ["sleep 1s", "sleep 2s", "sleep 3s"].map((workflowId) =>
      client.retryWorkflow({ workflowId }),
    );
    const ended = await Promise.race([Promise.all(calls), anyEnd]);
    assert.ok(Array.isArray(ended));
    assert.equal(pair.rejections, 0);
    // Idle streams still detect that the server is frozen.
    child.kill("SIGSTOP");
    for (const next of nexts) await assert.rejects(next, { code: Code.Unavailable });
  });

  it("rejects an error with too long a message as Internal, and keeps the session", async () => {
    await using pair = await startPair(program);
    const { client } = pair;
    const waiting = client.retryWorkflow({ workflowId: "sleep 300ms" });
    for (const length of [40_000, 70_000, 300_000]) {
      await assert.rejects(client.getWorkflow({ workflowId: `fail ${length}` }), { code: Code.Internal });
      await assert.rejects(client.retryWorkflow({ workflowId: `fail ${length}` }), { code: Code.Internal });
    }
    assert.equal(readWorkflowId((await waiting).bytes), "w1");
  });
});
