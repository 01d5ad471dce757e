import assert from "node:assert/strict";
import { once } from "node:events";
import { EventSource } from "eventsource";
import type { ErrorEvent } from "eventsource";
import { suite } from "../support/gateway.ts";
import { authorization, EventInbox, runScenario, startScene } from "./scene.ts";

/** An EventSource that presents a token, as its documentation describes. */
function open(url: string, token = authorization): EventSource {
  return new EventSource(url, {
    fetch: (input, init) => fetch(input, { ...init, headers: { ...init.headers, Authorization: token } }),
  });
}

/** Adds all dispatched events to an inbox. */
function eventInboxOf(source: EventSource): EventInbox {
  const inbox = new EventInbox();
  source.addEventListener("open", () => inbox.connect());
  for (const type of ["step_update", "workflow_update"])
    source.addEventListener(type, ({ data, lastEventId }: MessageEvent) =>
      inbox.take({ event: type, data, id: lastEventId === "" ? undefined : lastEventId }),
    );
  for (const type of ["message", "stream_error"])
    source.addEventListener(type, (event) => inbox.addUnexpected(event));
  return inbox;
}

/** The error that closes it permanently. */
function closed(source: EventSource): Promise<ErrorEvent> {
  return new Promise((resolve) => {
    source.addEventListener("error", (event) => {
      if (source.readyState === EventSource.CLOSED) resolve(event);
    });
  });
}

describe("npm eventsource", () => {
  const scene = suite(startScene);

  it("gets every event once, through a drain and a restart of the orchestrator, and stops at 204", async () => {
    const source = open(scene().url);
    const end = closed(source);
    const inbox = eventInboxOf(source);
    await runScenario(scene(), inbox);
    assert.equal((await end).code, 204);
    const { bytesUp } = scene().proxy;
    await scene().heartbeats(100);
    assert.equal(scene().proxy.bytesUp, bytesUp);
    await inbox.hasEvents();
  });

  it("closes permanently at 401", async () => {
    const source = open(scene().url, "Bearer wrong");
    assert.equal((await closed(source)).code, 401);
  });

  it("closes permanently at 503", async () => {
    await scene().stopOrchestrator();
    const source = open(scene().url);
    const [error] = (await once(source, "error")) as [ErrorEvent];
    assert.deepEqual([error.code, source.readyState], [503, EventSource.CLOSED]);
  });
});
