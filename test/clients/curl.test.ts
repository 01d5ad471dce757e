import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { before } from "mocha";
import { createParser } from "eventsource-parser";
import { suite } from "../support/gateway.ts";
import { eventIds } from "../support/live-run.ts";
import { authorization, EventInbox, runScenario, startScene } from "./scene.ts";

/** curl's exit code for a transfer that broke (CURLE_PARTIAL_FILE). */
const partialFile = 18;

describe("curl", () => {
  before("look for it", function () {
    if (spawnSync("curl", ["--version"]).status === 0) return;
    console.log("    curl is not installed here: nothing is tried with it");
    this.skip();
  });
  const scene = suite(startScene);

  /** Requests the events of the run once; resolves to curl's exit code, the status, and where to resume. */
  async function request(take: EventInbox | undefined, lastEventId?: string, token = authorization) {
    const resume = lastEventId === undefined ? [] : ["-H", `Last-Event-ID: ${lastEventId}`];
    const args = [
      "-fsSN",
      "-H",
      `Authorization: ${token}`,
      ...resume,
      "-w",
      "%{stderr}%{http_code}",
      scene().url,
    ];
    const curl = spawn("curl", args, { stdio: ["ignore", "pipe", "pipe"] });
    let last = lastEventId;
    let complaint = "";
    take?.connect();
    const parser = createParser({
      onId: (id) => (last = id),
      onEvent: (event) => take?.take(event),
    });
    curl.stdout.setEncoding("utf8").on("data", (text: string) => parser.feed(text));
    curl.stderr.setEncoding("utf8").on("data", (text: string) => (complaint += text));
    const [code] = (await once(curl, "close")) as [number];
    return { code, status: Number(complaint.slice(-3)), last };
  }

  it("ends at the clean end and no sooner, and loses nothing when it resumes", async () => {
    const inbox = new EventInbox();
    const codes: number[] = [];
    const scenario = runScenario(scene(), inbox);
    let response: Awaited<ReturnType<typeof request>>;
    let last: string | undefined;
    do {
      response = await request(inbox, last);
      ({ last } = response);
      codes.push(response.code);
    } while (response.code === partialFile);
    await scenario;
    assert.deepEqual(codes, [partialFile, 0]);
    assert.equal(last, String(eventIds.at(-1)));
    assert.deepEqual(await request(undefined, last), { code: 0, status: 204, last });
  });

  for (const [status, arrange] of [
    [401, () => Promise.resolve("Bearer wrong")],
    [
      503,
      () =>
        scene()
          .stopOrchestrator()
          .then(() => authorization),
    ],
  ] as const)
    it(`fails at ${status}`, async () => {
      const token = await arrange();
      assert.deepEqual(await request(undefined, undefined, token), { code: 22, status, last: undefined });
    });
});
