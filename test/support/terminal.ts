import { spawn, spawnSync } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { afterEach, before } from "mocha";
import { runVariable } from "../run/run-processes.ts";
import { withoutCoverage } from "./environment.ts";

/** A program in a terminal. */
export interface TerminalProgram {
  /** The output so far. */
  readonly shown: string;
  /** Resolves once the output matches `pattern`. */
  until(pattern: RegExp): Promise<void>;
  /** Presses Ctrl-C, and resolves with all that was shown once the program has ended. */
  interrupt(): Promise<string>;
}

/** Runs `file` under Node at a terminal, with nothing in its environment but `env` and what Node needs. */
export type RunAtTerminal = (file: string, env: Record<string, string>) => TerminalProgram;

/** For the body of a `describe`, whose tests are skipped where `script` of util-linux is not installed. */
export function terminalSuite(): RunAtTerminal {
  const running = new Set<ChildProcess>();
  before("look for script", function () {
    const { stdout } = spawnSync("script", ["--version"], { encoding: "utf8" });
    if (/util-linux/.test(stdout)) return;
    console.log("    skipped: script, of util-linux, is not installed");
    this.skip();
  });
  // What a test that fails has left. At a terminal that hangs up, the program ends by SIGHUP.
  afterEach("hang up", () => {
    for (const child of running) child.kill("SIGKILL");
  });

  return function runAtTerminal(file, env) {
    const command = `exec '${process.execPath}' '${file}'`;
    const { PATH = "", [runVariable]: run = "" } = process.env;
    // It runs in a session of its own, so only this shows which run it belongs to.
    const terminal = { TERM: "xterm", PATH, [runVariable]: run, ...withoutCoverage };
    const child = spawn("script", ["--quiet", "--return", "--command", command, "/dev/null"], {
      env: { ...terminal, ...env },
      stdio: ["pipe", "pipe", "ignore"],
    });
    running.add(child.once("exit", () => running.delete(child)));
    let shown = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => (shown += text));
    const ended = once(child, "close");
    return {
      get shown() {
        return shown;
      },
      async until(pattern) {
        while (!pattern.test(shown)) await once(child.stdout, "data");
      },
      async interrupt() {
        child.stdin.write("\x03");
        await ended;
        return shown;
      },
    };
  };
}
