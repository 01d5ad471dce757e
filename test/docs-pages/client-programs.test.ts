import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { before } from "mocha";
import { parseSettings } from "../../src/sandbox/settings.ts";
import { startSandbox } from "../../src/sandbox/start-sandbox.ts";
import { assertPasses } from "../check/scratch-fixture.ts";
import { sendJson, startHttp } from "../demo/support.ts";
import { findCaddy, startCaddy } from "../support/caddy.ts";
import { readEvents } from "../support/event-reader.ts";
import { startTestGateway, suite } from "../support/gateway.ts";
import { startHttpProxy } from "../support/http-proxy.ts";
import { sha256 } from "../support/samples.ts";
import { sandboxSettings, settingsFor } from "../support/sandbox.ts";
import { startBreakingNetwork } from "./breaking-network.ts";
import { at, programs, runProgram } from "./client-programs.ts";

/** After a whole event, where HTTP ends a chunk. */
function afterEvent(chunk: Buffer): number | undefined {
  const start = chunk.indexOf("event: step_update");
  const end = start < 0 ? -1 : chunk.indexOf("\n\n\r\n", start);
  return end < 0 ? undefined : end + 4;
}

function withinEvent(chunk: Buffer): number | undefined {
  const start = chunk.indexOf("event: step_update");
  return start < 0 ? undefined : start + 10;
}

/** Before the response to a submission. */
function beforeSubmitted(chunk: Buffer): number | undefined {
  return chunk.toString("latin1").startsWith("HTTP/1.1 201") ? 0 : undefined;
}

const caddy = findCaddy();

/** Starts what is in front of a network that breaks. */
type StartFront = (url: string) => Promise<AsyncDisposable & { readonly url: string }>;

const fronts: readonly (readonly [what: string, start: StartFront | undefined])[] = [
  ["break", (url) => Promise.resolve({ url, [Symbol.asyncDispose]: () => Promise.resolve() })],
  ["break, and that a proxy ends cleanly", startHttpProxy],
  ["break, and that Caddy ends cleanly", caddy === undefined ? undefined : (url) => startCaddy(caddy, url)],
];

const eventStream = { "Content-Type": "text/event-stream" };

/** An event of the workflow `w`. */
function block(id: number, event: string, state: string): string {
  const data = { workflow_id: "w", workflow_update: { id: "w", state, step_statuses: [] } };
  return `id: ${id}\nevent: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
}

/** The parameters of every program, which make the step fail in the sandbox if they are replaced. */
const params = /(")?contigs\1?: "100-100"/;

describe("the programs of docs/clients.md", () => {
  const { apiKeys } = parseSettings({}).settings;
  // A step outlasts the wait before a submission is repeated, so that there is something to follow.
  const sandbox = suite(() => startSandbox({ ...sandboxSettings, apiKeys, stepSeconds: 5 }));
  // Heartbeats every few milliseconds, so that every client receives some.
  const streamIntervals = { checkMs: 10, heartbeatMs: 20 };
  const gateway = suite(() => startTestGateway(settingsFor(sandbox()), { streamIntervals }));
  const fastSandbox = suite(() => startSandbox({ ...sandboxSettings, apiKeys }));
  const fastGateway = suite(() => startTestGateway(settingsFor(fastSandbox())));

  /** Asserts that `printed` is a snapshot of a workflow and every later event once. */
  async function assertFollowed(printed: string): Promise<void> {
    const [snapshot = "", ...events] = printed.split("\n").filter((line) => line.startsWith("{"));
    const { workflow_id: id, workflow_update } = JSON.parse(snapshot);
    assert.ok(workflow_update);
    const headers = { "Last-Event-ID": "1" };
    const reader = readEvents(await gateway().fetch(`/v1/workflows/${id}/events`, { headers }));
    assert.equal(await reader.ended, "clean");
    const all = reader.events.map(({ data }) => data);
    assert.ok(events.length > 2, printed);
    assert.deepEqual(events, all.slice(-events.length));
    assert.equal(JSON.parse(events.at(-1)!).workflow_update.state, "SUCCEEDED");
  }

  /** Asserts that the folder has the only file of the workflow, whole and under its name. */
  async function assertDownloaded(folder: string): Promise<void> {
    const list = await gateway().fetch("/v1/workflows?page_size=1", { token: "ff-demo-key" });
    const [{ step_statuses }] = JSON.parse(await list.text()).workflows;
    const [{ name, sha256: digest }] = step_statuses[0].outputs;
    assert.equal(sha256(readFileSync(join(folder, name))), digest);
  }

  for (const program of programs)
    describe(program.name, () => {
      const { text, follows, downloads, setsExitCode } = program;

      before("look for what it needs", function () {
        if (program.missing === undefined) return;
        console.log(`      skipped: ${program.missing}`);
        this.skip();
      });

      for (const [what, startFront] of fronts)
        it(`loses nothing over connections that ${what}`, async function () {
          if (startFront === undefined) {
            console.log("        skipped: caddy is not installed");
            return this.skip();
          }
          const places = [beforeSubmitted, ...(follows ? [afterEvent, withinEvent] : [])];
          await using network = await startBreakingNetwork(gateway().url, ...places);
          await using front = await startFront(network.url);
          await runProgram(program, at(front.url, text), async (outcome, folder) => {
            assertPasses(outcome);
            if (follows) await assertFollowed(outcome.output);
            assert.match(outcome.output, /^SUCCEEDED$/m);
            if (downloads) await assertDownloaded(folder);
          });
          assert.deepEqual(network.left, []);
        });

      it("reconnects after a clean end and a state that it does not know, and stops at the terminal event", async () => {
        const resumed: (string | undefined)[] = [];
        const states = ["PAUSED", "SUCCEEDED"];
        await using service = await startHttp((req, res) => {
          if (req.method === "POST") return sendJson(res, 201, { id: "w", state: "QUEUED" });
          if (req.url === "/v1/workflows/w")
            return sendJson(res, 200, {
              id: "w",
              state: follows ? "SUCCEEDED" : states.shift(),
              step_statuses: [],
            });
          const lastEventId = req.headersDistinct["last-event-id"]?.[0];
          resumed.push(lastEventId);
          res.writeHead(200, eventStream);
          if (lastEventId === undefined) res.end(`retry: 1\n${block(1, "workflow_update", "PAUSED")}`);
          // The response does not end.
          else res.write(block(2, "later_event", "SUCCEEDED") + block(3, "workflow_update", "SUCCEEDED"));
        });
        await runProgram(program, at(service.url, text), ({ status, output }) => {
          assert.equal(status, 0, output);
          assert.match(output, /^SUCCEEDED$/m);
          assert.ok(!output.includes("later"));
        });
        assert.deepEqual(resumed, follows ? [undefined, "1"] : []);
      });

      it("shows the error of a failed step", async () => {
        const failing = at(fastGateway().url, text, [[params, '"sandbox_fail": 1']]);
        await runProgram(program, failing, ({ status, output }) => {
          assert.match(output, /^FAILED$/m);
          assert.match(output, /^step design failed: SANDBOX_FAIL .+$/m);
          assert.equal(status, setsExitCode ? 1 : 0);
        });
      });

      it("shows every violation of an invalid workflow", async () => {
        const invalid = at(fastGateway().url, text, [
          [/"rfdiffusion"/, '"rfdifusion"'],
          [/"backbone"/, '""'],
        ]);
        await runProgram(program, invalid, ({ status, output }) => {
          assert.match(
            output,
            /^(Error: )?400 INVALID_ARGUMENT: .+\n {2}\/body\/name .+\n {2}\/body\/steps\/0\/tool must /m,
          );
          assert.equal(status, 1);
        });
      });

      it("waits for Retry-After, and shows why", async () => {
        const submissions: number[] = [];
        const body = { code: "RESOURCE_EXHAUSTED", message: "quota exhausted", retryable: true };
        await using front = await startHttpProxy(fastGateway().url, (req, res) => {
          if (req.method !== "POST") return false;
          submissions.push(performance.now());
          if (submissions.length > 1) return false;
          sendJson(res, 429, body, { "Retry-After": "3" });
          return true;
        });
        await runProgram(program, at(front.url, text), ({ output }) => {
          assert.match(output, /^SUCCEEDED$/m);
          assert.match(output, /^429 RESOURCE_EXHAUSTED: quota exhausted/m);
        });
        const [first = 0, second = 0] = submissions;
        assert.ok(second - first >= 2990);
      });
    });
});
