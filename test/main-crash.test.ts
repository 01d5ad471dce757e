import assert from "node:assert/strict";
import { once } from "node:events";
import { fillStdout, onSignal, runGateway } from "./support/gateway-process.ts";
import type { ProcessExit } from "./support/gateway-process.ts";

describe("main: uncaught errors", () => {
  /** Starts a gateway that runs `statement` at SIGUSR2. */
  async function startFailing(statement: string, options: string[] = []) {
    const settings = { BIND_ADDR: "127.0.0.1:0", DRAIN_DELAY_SECONDS: "50", SHUTDOWN_GRACE_SECONDS: "60" };
    const gateway = runGateway(settings, { execArgv: [...options, onSignal("SIGUSR2", statement)] });
    return { ...gateway, url: await gateway.started };
  }

  /** Asserts that a gateway has ended with `error` as its last line. */
  function assertCrashed({ code, signal, stderr, lines }: ProcessExit): void {
    assert.deepEqual([code, signal, stderr], [70, null, ""]);
    const { level, event, err } = lines.at(-1) as Record<string, unknown> & {
      err: { type: string; message: string; stack: string; cause: { message: string; stack: string } };
    };
    assert.deepEqual(
      [level, event, err.type, err.message, err.cause.message],
      ["fatal", "gateway.crashed", "TypeError", "above", "below"],
    );
    assert.match(err.stack, /TypeError: above\n +at /);
    assert.match(err.cause.stack, /Error: below\n +at /);
    assert.equal(lines.filter((line) => line.event === "gateway.crashed").length, 1);
  }

  const error = 'new TypeError("above", { cause: new Error("below") })';

  it("exits with 70 during a drain, and logs an error with stack and cause as its last line", async () => {
    const { child, lines, ended } = await startFailing(`throw ${error};`);
    child.kill("SIGTERM");
    while (!lines.some(({ event }) => event === "shutdown.started")) await once(child.stdout!, "data");
    child.kill("SIGUSR2");
    assertCrashed(await ended);
  });

  it("exits with 70, and logs a rejection that Node only warns of", async () => {
    const { child, ended } = await startFailing(`Promise.reject(${error});`, ["--unhandled-rejections=warn"]);
    child.kill("SIGUSR2");
    assertCrashed(await ended);
  });

  it("serves nothing and ignores signals while its last line waits for its reader", async () => {
    const { child, url, ended } = await startFailing(`${fillStdout} throw ${error};`);
    child.stdout?.pause();
    child.kill("SIGUSR2");
    await assert.rejects(async () => {
      for (;;) await (await fetch(`${url}/v1/healthz`)).text();
    });
    child.kill("SIGTERM");
    child.stdout?.resume();
    assertCrashed(await ended);
  });

  it("exits with 70 if its log is closed", async () => {
    const { child, ended } = await startFailing("throw new Error();");
    child.stdout?.destroy();
    child.kill("SIGUSR2");
    const { code, signal } = await ended;
    assert.deepEqual([code, signal], [70, null]);
  });

  it("exits with 70 if the thrown value cannot be logged", async () => {
    const { child, ended } = await startFailing('throw { toString() { throw new Error("x"); } };');
    child.kill("SIGUSR2");
    const { code, signal } = await ended;
    assert.deepEqual([code, signal], [70, null]);
  });
});
