import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { stripVTControlCharacters } from "node:util";
import { Code, ConnectError } from "@connectrpc/connect";
import { prefix } from "../src/settings/schema.ts";
import { withoutCoverage } from "./support/environment.ts";
import { suite } from "./support/gateway.ts";
import { terminalSuite } from "./support/terminal.ts";
import { startUpstream } from "./support/upstream.ts";

const main = fileURLToPath(new URL("../src/main.ts", import.meta.url));

describe("main: format of the log", () => {
  describe("at a terminal", () => {
    const runAtTerminal = terminalSuite();
    const upstream = suite(() =>
      startUpstream({
        listWorkflows() {
          throw new ConnectError("\x1b]0;hostile\x07\x9b2J", Code.Internal);
        },
      }),
    );
    const coloredInfo = "\x1b[32mINFO\x1b[39m";

    /** The output for a call that fails with control characters in its message. */
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
      // At Ctrl-C a terminal discards what has been written and not yet shown (termios(3), NOFLSH).
      await terminal.until(/request\.completed.*\r\n/);
      return terminal.interrupt();
    }

    it("writes a readable log in colors, and escapes control characters of others", async () => {
      const shown = await show({});
      assert.ok(shown.includes(`${coloredInfo}: \x1b[36mgateway.started`), shown);
      const plain = stripVTControlCharacters(shown);
      assert.match(plain, /\[\d{4}-.*\] ERROR: request\.failed \{"trace_id":.*\r\n +err: \{/);
      assert.match(plain, /\] INFO: gateway\.stopped\r\n/);
      assert.ok(plain.includes("\\u001b]0;hostile\\u0007\\u009b2J"));
      for (const escape of ["\x1b]", "\x07", "\x9b"]) assert.ok(!shown.includes(escape));
    });

    it("writes no colors if NO_COLOR is set", async () => {
      const shown = await show({ NO_COLOR: "1" });
      assert.match(shown, /\] INFO: gateway\.started \{"url":/);
      for (const escape of ["\x1b", "\x9b"]) assert.ok(!shown.includes(escape));
    });

    it("writes JSON for LOG_FORMAT=json", async () => {
      const shown = await show({ [`${prefix}LOG_FORMAT`]: "json" });
      const events = shown
        .trim()
        .split("\r\n")
        .filter((line) => line.startsWith("{"));
      assert.equal(JSON.parse(events[0]!).event, "gateway.started");
      assert.ok(!shown.includes("\x1b"));
    });
  });

  it("writes a readable log without colors into a pipe for LOG_FORMAT=pretty", async () => {
    const env = {
      ...withoutCoverage,
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
