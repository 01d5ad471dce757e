import assert from "node:assert/strict";
import { createParser } from "eventsource-parser";
import { eventFrame, heartbeatFrame } from "../../src/events/event-block.ts";

const pieces = (...texts: string[]) => texts.map((text) => Buffer.from(text));

describe("eventFrame", () => {
  for (const [what, block, frame] of [
    [
      "a name and data",
      { name: "step_update", data: pieces('{"a":', "1", "", "}") },
      'event: step_update\ndata: {"a":1}\n\n',
    ],
    [
      "an id",
      { name: "e", data: pieces("1"), id: 18446744073709551615n },
      "id: 18446744073709551615\nevent: e\ndata: 1\n\n",
    ],
    ["no id", { name: "e", data: pieces("1"), id: undefined }, "event: e\ndata: 1\n\n"],
    [
      "how long to wait",
      { name: "e", data: pieces("1"), id: 1n, retryMs: 2000 },
      "retry: 2000\nid: 1\nevent: e\ndata: 1\n\n",
    ],
  ] as const)
    it(`writes ${what}`, () => assert.equal(eventFrame(block).toString(), frame));

  it("is read back by a parser, with heartbeats in between", () => {
    const events: unknown[] = [];
    const parser = createParser({ onEvent: (event) => events.push(event) });
    const frame = eventFrame({ name: "e", data: pieces('{"text":"é🧬\u2028"}'), id: 7n, retryMs: 2000 });
    parser.feed(
      heartbeatFrame +
        frame.toString() +
        heartbeatFrame +
        heartbeatFrame +
        eventFrame({ name: "f", data: pieces("2") }).toString(),
    );
    assert.deepEqual(events, [
      { id: "7", event: "e", data: '{"text":"é🧬\u2028"}' },
      { id: undefined, event: "f", data: "2" },
    ]);
  });
});

describe("heartbeatFrame", () => {
  it("is a comment line of two bytes without a blank line", () => assert.equal(heartbeatFrame, ":\n"));
});
