import assert from "node:assert/strict";
import { startSandbox } from "../../src/sandbox/start-sandbox.ts";
import { sandboxSettings, settingsFor } from "../support/sandbox.ts";
import { createSend, follow, startLoad, submit } from "./clients.ts";
import type { Send } from "./clients.ts";
import { findHaproxy, startHaproxy } from "./haproxy.ts";
import { startReplica } from "./replica.ts";

const rounds = 2;
// Together below the lowest concurrency limit of a gateway, which responds with 503 above it.
const clients = 8;
const followers = 10;
const graceSeconds = 12;

/** Steps that run one after the other, for longer than the restarts take. */
const longRun = {
  name: "long",
  steps: Array.from({ length: 200 }, (_, i) => ({
    id: `s${i}`,
    tool: "proteinmpnn",
    ...(i === 0 ? {} : { depends_on: [`s${i - 1}`] }),
  })),
};

/** The ids of all workflows with this label, page by page. */
async function listAll(send: Send, label: string): Promise<string[]> {
  const ids: string[] = [];
  const query = new URLSearchParams({ page_size: "100", label });
  do {
    const page = JSON.parse(await (await send(`/v1/workflows?${query.toString()}`)).text());
    ids.push(...page.workflows.map(({ id }: { id: string }) => id));
    query.set("page_token", page.next_page_token);
  } while (query.get("page_token") !== "");
  return ids;
}

describe("a rolling restart behind HAProxy", () => {
  it("fails no request, submits nothing twice, and completes every event stream", async function () {
    const program = findHaproxy();
    if (program === undefined) {
      console.log("      skipped: haproxy is not installed");
      return this.skip();
    }
    await using cleanup = new AsyncDisposableStack();

    const sandbox = await startSandbox({ ...sandboxSettings, stepSeconds: 0.4 });
    cleanup.defer(() => sandbox.close());
    const settings = {
      ...settingsFor(sandbox),
      DRAIN_DELAY_SECONDS: "3",
      SHUTDOWN_GRACE_SECONDS: String(graceSeconds),
    };
    const a = await startReplica("a", settings);
    cleanup.defer(a.close);
    const b = await startReplica("b", settings);
    cleanup.defer(b.close);
    const haproxy = await startHaproxy(program, { a: a.url, b: b.url });
    cleanup.defer(haproxy.close);

    const send = createSend(haproxy.url, "alice-key");
    const long = await Promise.all(Array.from({ length: followers }, () => submit(send, longRun)));
    const streams = long.map((id) => follow(send, id));
    const load = startLoad(send, clients, { from: "load" });
    cleanup.defer(load.stop);

    for (let round = 0; round < rounds; round += 1) {
      for (const replica of [a, b]) {
        const { code, signal, stderr, tookMs } = await replica.restart();
        assert.deepEqual([code, signal, stderr], [0, null, ""]);
        assert.ok(tookMs < graceSeconds * 1000, `${tookMs} ms`);
        await haproxy.isUp(replica.name);
      }
    }
    await load.stop();

    assert.deepEqual([...load.responses.keys()].sort(), ["get 200", "list 200", "submit 201"]);
    assert.ok(load.submitted.length > 100, `${load.submitted.length} submissions`);
    assert.deepEqual((await listAll(send, "from=load")).sort(), [...load.submitted].sort());
    assert.equal(sandbox.calls.get("SubmitWorkflow"), load.submitted.length + followers);

    for (const id of long)
      assert.equal((await send(`/v1/workflows/${id}`, { method: "DELETE" })).status, 200);
    for (const { cuts, ids, last, failure } of await Promise.all(streams)) {
      assert.equal(failure, undefined);
      // Whoever was with the first gateway or not: from the second restart on, each one moves everybody.
      assert.ok(cuts >= 2 * rounds - 1, `${cuts} cuts`);
      // The sandbox counts the events of a workflow from 1.
      assert.deepEqual(
        ids,
        ids.map((_, i) => i + 2),
      );
      assert.equal(JSON.parse(last).workflow_update.state, "CANCELLED");
    }

    // Nothing was hidden: HAProxy never had to try again, or elsewhere.
    for (const { name } of [a, b]) {
      const stats = await haproxy.stats(name);
      assert.deepEqual([stats.get("wretr"), stats.get("wredis"), stats.get("econ")], ["0", "0", "0"]);
    }
  });
});
