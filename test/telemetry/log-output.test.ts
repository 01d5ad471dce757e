import assert from "node:assert/strict";
import { once } from "node:events";
import { Writable } from "node:stream";
import { LogOutput } from "../../src/telemetry/log-output.ts";
import { until } from "../support/until.ts";

const line = `${"x".repeat(1023)}\n`;
const batches = (text: string) => text.replaceAll(line, "x");

/** An output, the text that was written, and a reader that can pause. */
function setUp(format?: (line: string) => string) {
  const received: string[] = [];
  let done: (() => void) | undefined;
  let isReading = true;
  const out = new Writable({
    decodeStrings: false,
    write(text: string, _encoding, written) {
      received.push(text);
      if (isReading) written();
      else done = written;
    },
  });
  return {
    output: new LogOutput(out, format),
    out,
    received,
    pause: () => (isReading = false),
    resume() {
      isReading = true;
      done?.();
    },
  };
}

describe("LogOutput", () => {
  it("writes lines in batches of 4 KiB", () => {
    const { output, received } = setUp();
    for (let i = 0; i < 9; i++) output.write(line);
    assert.deepEqual(received.map(batches), ["xxxx", "xxxx"]);
    output.flush();
    output.flush();
    assert.deepEqual(received.map(batches), ["xxxx", "xxxx", "x"]);
  });

  it("writes an incomplete batch after a short time", async () => {
    const { output, out, received } = setUp();
    out.cork();
    output.write("a\n");
    output.write("b\n");
    await until(() => out.writableLength > 0);
    out.uncork();
    assert.deepEqual(received, ["a\nb\n"]);
  });

  it("drops lines while 1 MiB waits, and writes their number when there is room again", async () => {
    const { output, out, received, pause, resume } = setUp();
    pause();
    for (let i = 0; i < 1024 + 40; i++) output.write(line);
    assert.equal(out.writableLength, 1024 * 1024);
    const drained = once(out, "drain");
    resume();
    await drained;
    assert.equal(received.join("").length, 1024 * 1024);
    output.write("next\n");
    output.flush();
    const [dropped = "", next] = received.at(-1)!.split("\n");
    const { time, ...entry } = JSON.parse(dropped) as Record<string, unknown>;
    assert.deepEqual(entry, {
      level: "warn",
      event: "log_lines.dropped",
      lines: 40,
      msg: "log_lines.dropped",
    });
    assert.ok(Date.parse(String(time)) > 0);
    assert.equal(next, "next");
    output.write("last\n");
    output.flush();
    assert.equal(received.at(-1), "last\n");
  });

  it("formats each line, log_lines.dropped too", () => {
    const { output, out, received } = setUp((each) => `<${each.trimEnd()}>\n`);
    const { write } = out;
    out.write = () => {
      throw new Error("ENOSPC");
    };
    output.write("a\n");
    output.flush();
    out.write = write;
    output.write("b\n");
    output.flush();
    assert.match(received.join(""), /^<\{.*"lines":1,.*\}>\n<b>\n$/);
  });

  it("continues after a failed write, synchronous or not", async () => {
    const { output, out, received } = setUp();
    const { write } = out;
    out.write = () => {
      throw new Error("ENOSPC");
    };
    output.write("a\n");
    output.flush();
    out.write = write;
    output.write("b\n");
    output.flush();
    assert.match(received.join(""), /"lines":1,.*\nb\n$/);
    out.destroy(new Error("EPIPE"));
    await new Promise((resolve) => out.once("close", resolve));
    output.write("c\n");
    output.flush();
  });

  it("ends when all is written, or after the timeout", async () => {
    const now = setUp();
    const calls: string[] = [];
    now.output.write("a\n");
    now.output.end(60_000, () => calls.push("done"));
    assert.deepEqual([now.received, calls], [["a\n"], ["done"]]);
    for (const reads of [false, true]) {
      const { output, pause, resume } = setUp();
      pause();
      output.write("b\n");
      const ended = new Promise<void>((resolve) => output.end(reads ? 60_000 : 1, resolve));
      if (reads) resume();
      await ended;
    }
  });

  it("writes the last line although 1 MiB waits, and ignores later ones", async () => {
    const { output, received, pause, resume } = setUp();
    pause();
    for (let i = 0; i < 1024 + 40; i++) output.write(line);
    output.write("last\n");
    const ended = new Promise<void>((resolve) => output.end(60_000, resolve));
    output.write("later\n");
    output.flush();
    resume();
    await ended;
    assert.match(received.join(""), /"lines":40.*\nlast\n$/);
  });
});
