import assert from "node:assert/strict";
import { createAudit } from "../../src/telemetry/audit.ts";
import { createLogger } from "../../src/telemetry/logger.ts";

const by = {
  trace_id: "4bf92f3577b34da6a3ce929d0e0e4736",
  span_id: "00f067aa0ba902b7",
  request_id: undefined,
  client_address: "203.0.113.9",
  actor: "alice",
  principal: "alice",
};
const logged = { trace_id: by.trace_id, span_id: by.span_id, client_address: by.client_address };

describe("createAudit", () => {
  it("logs each event at info, whatever the minimum log level is", () => {
    const lines: string[] = [];
    const audit = createAudit(createLogger({ write: (line) => void lines.push(line) }, "fatal"));
    audit.workflowSubmitted(by, "w1");
    audit.workflowCancelled({ ...by, request_id: "r1" }, "w2");
    audit.workflowRetried({ ...by, actor: "admin", principal: undefined }, "w3");
    audit.creditsGranted(
      { ...by, actor: "anonymous", principal: undefined },
      { principal: "bob", credits: 500, sessionId: "cs_1" },
    );
    const entries = lines.map((line) => {
      const { time, ...entry } = JSON.parse(line);
      assert.ok(Date.parse(time) > 0);
      assert.equal(entry.msg, entry.event);
      return entry;
    });
    const key = { ...logged, actor: "alice", principal: "alice" };
    const expected = [
      { event: "workflow.submitted", ...key, workflow_id: "w1" },
      { event: "workflow.cancelled", ...key, request_id: "r1", workflow_id: "w2" },
      { event: "workflow.retried", ...logged, actor: "admin", workflow_id: "w3" },
      {
        event: "credits.granted",
        ...logged,
        actor: "stripe",
        principal: "bob",
        credits: 500,
        session_id: "cs_1",
      },
    ];
    assert.deepEqual(
      entries,
      expected.map((entry) => ({ level: "info", msg: entry.event, ...entry })),
    );
  });
});
