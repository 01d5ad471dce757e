import assert from "node:assert/strict";
import { once } from "node:events";
import { runGateway } from "./support/gateway-process.ts";

describe("main: uncaught errors", () => {
  /** Starts a gateway that runs `statement` at SIGUSR2. */
  async function startFailing(statement: string, options: string[] = []) {
    const script = `process.on("SIGUSR2", () => { ${statement} });`;
    const execArgv = [...options, `--import=data:text/javascript,${encodeURIComponent(script)}`];
    const gateway = runGateway({ BIND_ADDR: "127.0.0.1:0" }, { execArgv });
    await gateway.started;
    return gateway;
  }

  const error = 'new TypeError("above", { cause: new Error("below") })';
  for (const [what, statement, options] of [
    ["an error", `throw ${error};`, []],
    ["a rejection", `Promise.reject(${error});`, []],
    ["a rejection that Node only warns of", `Promise.reject(${error});`, ["--unhandled-rejections=warn"]],
  ] as const) {
    it(`exits with 70, and logs ${what} with stack and cause as its last line`, async () => {
      const { child, ended } = await startFailing(statement, [...options]);
      child.kill("SIGUSR2");
      const { code, signal, stderr, lines } = await ended;
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
    });
  }

  /** A gateway that has crashed, and whose last line waits for its reader. */
  async function crashUnread() {
    const gateway = await startFailing("throw new Error();");
    const url = await gateway.started;
    const healthz = async () => (await fetch(`${url}/v1/healthz`)).text();
    gateway.child.stdout?.pause();
    // Each request logs about 200 bytes; the pipe and the stream at its other end hold 128 KiB.
    for (let i = 0; i < 100; i += 1) await Promise.all(Array.from({ length: 20 }, healthz));
    gateway.child.kill("SIGUSR2");
    await assert.rejects(async () => {
      for (;;) await healthz();
    });
    return gateway;
  }

  it("serves nothing while the last line waits for its reader, and logs no further line", async () => {
    const { child, ended } = await crashUnread();
    child.stdout?.resume();
    const { code, lines } = await ended;
    assert.equal(code, 70);
    assert.equal(lines.at(-1)?.event, "gateway.crashed");
  });

  it("exits with 70 at a signal while the last line waits for its reader", async () => {
    const { child, ended } = await crashUnread();
    child.kill("SIGTERM");
    child.stdout?.resume();
    assert.equal((await ended).code, 70);
  });

  it("exits with 70 during a drain", async () => {
    const { child, lines, ended } = await startFailing("throw new Error();");
    child.kill("SIGTERM");
    while (!lines.some(({ event }) => event === "shutdown.started")) await once(child.stdout!, "data");
    child.kill("SIGUSR2");
    const { code, lines: all } = await ended;
    assert.equal(code, 70);
    assert.equal(all.at(-1)?.event, "gateway.crashed");
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
