import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { before } from "mocha";
import type { Context } from "mocha";
import { createParser } from "eventsource-parser";
import { configuration, findHaproxy, startHaproxy } from "../drain/haproxy.ts";
import { suite } from "../support/gateway.ts";
import { eventIds } from "../support/live-run.ts";
import { authorization, EventInbox, runScenario, startScene } from "./scene.ts";

/** curl's exit code for a transfer that broke (CURLE_PARTIAL_FILE). */
const partialFile = 18;

/** Requests the events of the run once; resolves to curl's exit code, the status, and where to resume. */
async function request(
  urlAndOptions: readonly string[],
  take: EventInbox | undefined,
  lastEventId?: string,
  token = authorization,
) {
  const resume = lastEventId === undefined ? [] : ["-H", `Last-Event-ID: ${lastEventId}`];
  const args = [
    "-fsSN",
    "-H",
    `Authorization: ${token}`,
    ...resume,
    "-w",
    "%{stderr}%{http_code}",
    ...urlAndOptions,
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

function lookForCurl(this: Context): void {
  if (spawnSync("curl", ["--version"]).status === 0) return;
  console.log("    curl is not installed here: nothing is tried with it");
  this.skip();
}

describe("curl", () => {
  before("look for it", lookForCurl);
  const scene = suite(startScene);

  it("ends at the clean end and no sooner, and loses nothing when it resumes", async () => {
    const inbox = new EventInbox();
    const codes: number[] = [];
    const scenario = runScenario(scene(), inbox);
    let response: Awaited<ReturnType<typeof request>>;
    let last: string | undefined;
    do {
      response = await request([scene().url], inbox, last);
      ({ last } = response);
      codes.push(response.code);
    } while (response.code === partialFile);
    await scenario;
    assert.deepEqual(codes, [partialFile, 0]);
    assert.equal(last, String(eventIds.at(-1)));
    assert.deepEqual(await request([scene().url], undefined, last), { code: 0, status: 204, last });
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
      assert.deepEqual(await request([scene().url], undefined, undefined, token), {
        code: 22,
        status,
        last: undefined,
      });
    });
});

describe("curl behind HAProxy, over HTTP/2", () => {
  before("look for it", lookForCurl);
  const scene = suite(startScene);

  it("takes a broken stream for a clean end, and loses nothing when it resumes until 204", async function () {
    const program = findHaproxy();
    if (program === undefined) {
      console.log("      skipped: haproxy is not installed");
      return this.skip();
    }
    const { proxy, run, url } = scene();
    const haproxy = await startHaproxy(program, { gateway: proxy.url }, (port, ...rest) =>
      configuration(port, ...rest)
        .replace(`:${port}`, `:${port} proto h2`)
        // The orchestrator of the scene is never ready.
        .replace("readyz", "healthz")
        // What cuts the stream may cut a health check, too.
        .replace("fall 1", "fall 1000"),
    );
    try {
      const options = ["--http2-prior-knowledge", url.replace(proxy.url, haproxy.url)];
      const inbox = new EventInbox();
      const first = request(options, inbox);
      await run.hasFollowers(1);
      run.advance(2);
      await inbox.hasEvents(2);
      proxy.cut();
      const broken = await first;
      assert.deepEqual([broken.code, broken.last], [0, String(eventIds[1])]);
      run.advance(5);
      const { last } = await request(options, inbox, broken.last);
      await inbox.hasEvents();
      assert.deepEqual(await request(options, undefined, last), { code: 0, status: 204, last });
    } finally {
      await haproxy.close();
    }
  });
});
