import assert from "node:assert/strict";
import { fetchEventSource } from "@microsoft/fetch-event-source";
import { after, before } from "mocha";
import { suite } from "../support/gateway.ts";
import { eventIds } from "../support/live-run.ts";
import { deferred } from "../support/stack.ts";
import { authorization, EventInbox, runScenario, startScene } from "./scene.ts";

/** The error that a user has to throw to make it stop. */
class Stop extends Error {
  readonly status: number;

  constructor(status: number) {
    super(`the gateway returned ${status}`);
    this.status = status;
  }
}

/** Options of a test. */
interface Following {
  readonly token?: string;
  readonly lastEventId?: string;
  /** Forwards bodies, or a part of them. */
  readonly passed?: (response: Response) => Response;
  readonly onStatus?: (status: number) => void;
}

/**
 * How to follow a workflow with it. Nothing but what `onerror` throws stops it before a clean end, not even 204; it
 * treats a clean end as the end, which only the terminal event is; and it treats an event as received once it has read
 * its id, so the resume point is kept here.
 */
function follow(
  url: string,
  inbox: EventInbox,
  { token = authorization, lastEventId = "", passed = (response) => response, onStatus }: Following = {},
): Promise<void> {
  let isTerminal = false;
  return fetchEventSource(url, {
    openWhenHidden: true,
    async fetch(input, init) {
      const headers = new Headers({ Accept: "text/event-stream", Authorization: token });
      if (lastEventId !== "") headers.set("Last-Event-ID", lastEventId);
      return passed(await fetch(input, { ...init, headers }));
    },
    onopen({ status }) {
      onStatus?.(status);
      if (status !== 200) return Promise.reject(new Stop(status));
      inbox.connect();
      return Promise.resolve();
    },
    onmessage({ id, event, data }) {
      lastEventId = id || lastEventId;
      isTerminal = JSON.parse(data).workflow_update?.state === "SUCCEEDED";
      inbox.take({ id: id || undefined, event, data });
    },
    onclose() {
      if (!isTerminal) throw new Error("the connection was lost");
    },
    onerror(error) {
      // It reconnects after what is not thrown: a connection that broke, and 503.
      if (error instanceof Stop && error.status !== 503) throw error;
    },
  });
}

/** The response up to and including `last`, after which its connection is broken, or ended cleanly. */
function brokenAfter(last: string, isClean: boolean): (response: Response) => Response {
  return ({ body, status, headers }) => {
    let text = "";
    const broken = new TransformStream<string, string>({
      transform(part, controller) {
        text += part;
        const end = text.indexOf(last) + last.length;
        if (!text.includes(last)) return controller.enqueue(part);
        controller.enqueue(part.slice(0, part.length - (text.length - end)));
        if (isClean) controller.terminate();
        else controller.error(new TypeError("terminated"));
      },
    });
    const rest = body!.pipeThrough(new TextDecoderStream()).pipeThrough(broken);
    return new Response(rest.pipeThrough(new TextEncoderStream()), { status, headers });
  };
}

describe("@microsoft/fetch-event-source", () => {
  before("give it the browser that it expects", () => {
    Object.assign(globalThis, { window: globalThis, document: { removeEventListener: () => undefined } });
  });
  after("take it away", () => {
    for (const name of ["window", "document"]) Reflect.deleteProperty(globalThis, name);
  });

  for (const what of ["a break", "a clean end"] as const)
    describe(`with ${what}`, () => {
      const scene = suite(startScene);

      it(`gets every event once, through ${what} within one, a drain and a restart of the orchestrator, and resolves at the end`, async () => {
        const inbox = new EventInbox();
        const statuses: number[] = [];
        const passed = brokenAfter(`id: ${eventIds[0]}\n`, what === "a clean end");
        const followed = follow(scene().url, inbox, {
          onStatus: (status) => statuses.push(status),
          passed: (response) => (statuses.length === 0 ? passed(response) : response),
        });
        await runScenario(scene(), inbox);
        await followed;
        assert.deepEqual(statuses, [200, 200, 200]);
        await inbox.hasEvents();
      });
    });

  const scene = suite(startScene);

  it("stops at 204 and at 401 if onerror throws what onopen has thrown", async () => {
    const { run, url } = scene();
    run.advance(eventIds.length);
    const lastEventId = String(eventIds.at(-1));
    await assert.rejects(follow(url, new EventInbox(), { lastEventId }), { status: 204 });
    await assert.rejects(follow(url, new EventInbox(), { token: "Bearer wrong" }), { status: 401 });
  });

  it("reconnects at 503", async () => {
    await scene().stopOrchestrator();
    const inbox = new EventInbox();
    const statuses: number[] = [];
    const rejected = deferred();
    const followed = follow(scene().url, inbox, {
      onStatus(status) {
        statuses.push(status);
        rejected.resolve();
      },
    });
    await rejected.promise;
    await scene().restartOrchestrator();
    await followed;
    assert.equal(statuses[0], 503);
    await inbox.hasEvents();
  });
});
