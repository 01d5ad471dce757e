import assert from "node:assert/strict";
import { createGatewayClient } from "../../src/demo/client.ts";
import { followWorkflow } from "../../src/demo/follow.ts";
import { adminToken, suite } from "../support/gateway.ts";
import { eventIds } from "../support/live-run.ts";
import { deferred } from "../support/stack.ts";
import { authorization, EventInbox, runScenario, startScene } from "./scene.ts";

describe("eventsource-parser with fetch, as the demo has it", () => {
  const scene = suite(startScene);

  /** Follows to the end; the demo's client keeps the ids to itself, and the time of an event of a run gives its id. */
  async function follow(
    inbox: EventInbox,
    token = adminToken,
    onReconnect: (reason: string) => void = () => undefined,
  ) {
    const client = createGatewayClient(scene().proxy.url, token);
    inbox.connect();
    const events = followWorkflow(client, "w1", (reason) => {
      inbox.connect();
      onReconnect(reason);
    });
    for await (const event of events) {
      const seconds = Date.parse(event.at ?? "") / 1000;
      inbox.take({
        id: seconds === 0 ? undefined : String(seconds),
        event: event.step_update === undefined ? "workflow_update" : "step_update",
        data: JSON.stringify(event),
      });
    }
  }

  it("gets every event once, through a drain and a restart of the orchestrator, and ends at the last event", async () => {
    const inbox = new EventInbox();
    const reasons: string[] = [];
    const followed = follow(inbox, adminToken, (reason) => reasons.push(reason));
    await runScenario(scene(), inbox);
    await followed;
    await inbox.hasEvents();
    assert.deepEqual(reasons, ["the connection broke"]);
  });

  it("gets 204 after the last event", async () => {
    const headers = { Authorization: authorization, "Last-Event-ID": String(eventIds.at(-1)) };
    const { status, body } = await fetch(scene().url, { headers });
    assert.deepEqual([status, body], [204, null]);
  });

  it("rejects at 401", async () => {
    await assert.rejects(follow(new EventInbox(), "wrong"), { message: /does not know the API key/ });
  });

  it("reconnects at 503", async () => {
    await scene().stopOrchestrator();
    const inbox = new EventInbox();
    const lost = deferred<string>();
    const followed = follow(inbox, adminToken, lost.resolve);
    assert.match(await lost.promise, /responds with 503 UNAVAILABLE/);
    await scene().restartOrchestrator();
    await followed;
  });
});
