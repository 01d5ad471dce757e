import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { suite } from "../support/gateway.ts";
import { scrape } from "../support/metrics.ts";
import { sendText } from "../support/raw-http.ts";
import { hostileRequests } from "./hostile-requests.ts";
import { findProgram } from "./prometheus.ts";
import { startScene } from "./scene.ts";
import { holdOpen, runTraffic } from "./traffic.ts";

describe("the metrics of a gateway's process", function () {
  const scene = suite(startScene);

  it("follow the conventions of Prometheus under all kinds of traffic", async function () {
    const promtool = findProgram("promtool");
    if (promtool === undefined) {
      console.log("      skipped: promtool is not installed");
      return this.skip();
    }
    const close = await holdOpen(scene());
    await runTraffic(scene());
    const text = await (await fetch(`${scene().url}/metrics`)).text();
    close();
    for (const family of text.matchAll(/^# TYPE (\w+)/gm)) {
      assert.match(text, new RegExp(`^${family[1]}(?:_bucket|_sum|_count)?[{ ]`, "m"), family[1]);
    }
    const { status, stdout, stderr } = spawnSync(promtool, ["check", "metrics"], {
      input: text,
      encoding: "utf8",
    });
    assert.deepEqual([status, stdout, stderr], [0, "", ""]);
  });

  it("have the same series and labels, whatever clients send", async () => {
    const { url } = scene();
    const send = async (text: string) => {
      for (const request of hostileRequests(text)) await sendText(url, request);
    };
    // The series of garbage collections do not depend on clients.
    const series = async () =>
      [...(await scrape(url)).keys()].filter((name) => name.startsWith("foldforge_"));
    await send("zq0");
    await series();
    const before = await series();
    assert.ok(before.some((name) => name.includes('method="(other)"')));
    for (const text of ["zq1", "zq-2", "ZQ_3"]) await send(text);
    const after = await series();
    assert.deepEqual(after, before);
    assert.doesNotMatch(after.join(), /zq/i);
  });
});
