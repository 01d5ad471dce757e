import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { stripVTControlCharacters } from "node:util";
import { Code, ConnectError } from "@connectrpc/connect";
import { prefix } from "../src/settings/schema.ts";
import { suite } from "./support/gateway.ts";
import { terminalSuite } from "./support/terminal.ts";
import { startUpstream } from "./support/upstream.ts";

const main = fileURLToPath(new URL("../src/main.ts", import.meta.url));

describe("main, and how its log looks", () => {
  describe("at a terminal", () => {
    const runAtTerminal = terminalSuite();
    const upstream = suite(() =>
      startUpstream({
        listWorkflows() {
          throw new ConnectError("\x1b]0;hostile\x07\x9b2J", Code.Internal);
        },
      }),
    );
    const colour = "\x1b[32mINFO\x1b[39m";

    /** What is shown of a call that the orchestrator answers with what terminals obey. */
    async function show(env: Record<string, string>): Promise<string> {
      const terminal = runAtTerminal(main, {
        [`${prefix}BIND_ADDR`]: "127.0.0.1:0",
        [`${prefix}ORCHESTRATOR_ENDPOINT`]: upstream().url,
        ...env,
      });
      await terminal.until(/gateway\.started.*\r\n/);
      const [url = ""] = /http:[^"]+/.exec(terminal.shown) ?? [];
      const headers = { Authorization: "Bearer dev-token" };
      assert.equal((await fetch(`${url}/v1/workflows`, { headers })).status, 500);
      return terminal.interrupt();
    }

    it("shows a log for people, in colours, and hands no escape of others on", async () => {
      const shown = await show({});
      assert.ok(shown.includes(`${colour}: \x1b[36mgateway.started`), shown);
      const plain = stripVTControlCharacters(shown);
      assert.match(plain, /\[\d{4}-.*\] ERROR: request\.failed \{"trace_id":.*\r\n +err: \{/);
      assert.match(plain, /\] INFO: gateway\.stopped\r\n/);
      assert.ok(plain.includes("\\u001b]0;hostile\\u0007\\u009b2J"));
      for (const escape of ["\x1b]", "\x07", "\x9b"]) assert.ok(!shown.includes(escape));
    });

    it("shows it without colours where NO_COLOR is set", async () => {
      const shown = await show({ NO_COLOR: "1" });
      assert.match(shown, /\] INFO: gateway\.started \{"url":/);
      for (const escape of ["\x1b", "\x9b"]) assert.ok(!shown.includes(escape));
    });

    it("writes JSON where it is told to", async () => {
      const shown = await show({ [`${prefix}LOG_FORMAT`]: "json" });
      const events = shown
        .trim()
        .split("\r\n")
        .filter((line) => line.startsWith("{"));
      assert.equal(JSON.parse(events[0]!).event, "gateway.started");
      assert.ok(!shown.includes("\x1b"));
    });
  });

  it("writes for people into a pipe where it is told to, without colours", async () => {
    const env = {
      [`${prefix}BIND_ADDR`]: "127.0.0.1:0",
      [`${prefix}LOG_FORMAT`]: "pretty",
      FORCE_COLOR: "1",
    };
    const child = spawn(process.execPath, [main], { env, stdio: ["ignore", "pipe", "inherit"] });
    const [first] = (await once(child.stdout.setEncoding("utf8"), "data")) as [string];
    child.kill("SIGINT");
    await once(child, "close");
    assert.match(first, /^\[\d{4}-.*\] INFO: gateway\.started \{"url":"http:.*"\}\n$/);
  });
});
