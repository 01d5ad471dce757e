import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { JobState } from "../generated/proto/foldforge/common/v1/common_pb.js";
import { readEvents } from "./support/event-reader.ts";
import { runGateway } from "./support/gateway-process.ts";
import { adminToken } from "./support/gateway.ts";
import { hang } from "./support/hang.ts";
import { workflowEvent } from "./support/samples.ts";
import { startUpstream } from "./support/upstream.ts";
import { whenAborted } from "./support/when-aborted.ts";

/** How long Docker waits between SIGTERM and SIGKILL by default. */
const dockerGraceMs = 10_000;

describe("main: SIGTERM with the default settings", () => {
  it("exits with 0 before Docker kills it, with an event stream, a request that hangs and an idle connection", async () => {
    const upstream = await startUpstream({
      async *streamWorkflowEvents(_request, { signal }) {
        yield workflowEvent(0n, JobState.RUNNING);
        await whenAborted(signal);
      },
    });
    const { started: isHanging } = hang(upstream, "getWorkflow");
    const gateway = runGateway({
      BIND_ADDR: "127.0.0.1:0",
      API_TOKEN: adminToken,
      ORCHESTRATOR_ENDPOINT: upstream.url,
    });
    const url = await gateway.started;
    const get = (path: string) => fetch(url + path, { headers: { Authorization: `Bearer ${adminToken}` } });

    const reader = readEvents(await get("/v1/workflows/w1/events"));
    await reader.next();
    const hanging = assert.rejects(get("/v1/workflows/w1"));
    await isHanging;
    const idle = connect(Number(new URL(url).port), "127.0.0.1");
    idle.write("GET /v1/healthz HTTP/1.1\r\nHost: gateway\r\n\r\n");
    await once(idle, "data");
    const closed = once(idle, "close");

    gateway.child.kill("SIGTERM");
    const { code, signal, stderr, lines } = await gateway.ended;
    assert.deepEqual([code, signal, stderr], [0, null, ""]);
    assert.equal(await reader.ended, "broken");
    await hanging;
    await closed;
    const timeOf = (event: string) =>
      Date.parse(String(lines.find((line) => line.event === event)?.["time"]));
    const tookMs = timeOf("gateway.stopped") - timeOf("shutdown.started");
    assert.ok(tookMs < dockerGraceMs, `${tookMs} ms`);
    await upstream.close();
  });
});
