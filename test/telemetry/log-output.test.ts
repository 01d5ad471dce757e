import assert from "node:assert/strict";
import { once } from "node:events";
import { Writable } from "node:stream";
import { LogOutput } from "../../src/telemetry/log-output.ts";

const line = `${"x".repeat(1023)}\n`;
const pages = (text: string) => text.replaceAll(line, "x");

/** An output, what came out of it, and its reader, who reads until told to stop. */
function setUp(format?: (line: string) => string) {
  const received: string[] = [];
  let go: (() => void) | undefined;
  let isReading = true;
  const out = new Writable({
    decodeStrings: false,
    write(text: string, _encoding, done) {
      received.push(text);
      if (isReading) done();
      else go = done;
    },
  });
  return {
    output: new LogOutput(out, format),
    out,
    received,
    stop: () => (isReading = false),
    readOn() {
      isReading = true;
      go?.();
    },
  };
}

describe("LogOutput", () => {
  it("writes lines together, once they make up a page", () => {
    const { output, received } = setUp();
    for (let i = 0; i < 9; i++) output.write(line);
    assert.deepEqual(received.map(pages), ["xxxx", "xxxx"]);
    output.flush();
    output.flush();
    assert.deepEqual(received.map(pages), ["xxxx", "xxxx", "x"]);
  });

  it("lets no line wait for long", async () => {
    const { output, out, received } = setUp();
    out.cork();
    output.write("a\n");
    output.write("b\n");
    while (out.writableLength === 0) await new Promise(setImmediate);
    out.uncork();
    assert.deepEqual(received, ["a\nb\n"]);
  });

  it("drops lines while more than 1 MiB waits, and tells their number when there is room again", async () => {
    const { output, out, received, stop, readOn } = setUp();
    stop();
    for (let i = 0; i < 1024 + 40; i++) output.write(line);
    assert.equal(out.writableLength, 1024 * 1024);
    const drained = once(out, "drain");
    readOn();
    await drained;
    assert.equal(received.join("").length, 1024 * 1024);
    output.write("next\n");
    output.flush();
    const [told = "", next] = received.at(-1)!.split("\n");
    const { time, ...entry } = JSON.parse(told) as Record<string, unknown>;
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

  it("writes each line in its format, and the one that tells of dropped ones too", () => {
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

  it("goes on when a write fails, at once or later", async () => {
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

  it("ends when all is written: now, when the reader has it, or when that takes too long", async () => {
    const now = setUp();
    const told: string[] = [];
    now.output.write("a\n");
    now.output.end(60_000, () => told.push("now"));
    assert.deepEqual([now.received, told], [["a\n"], ["now"]]);
    for (const reads of [false, true]) {
      const { output, stop, readOn } = setUp();
      stop();
      output.write("b\n");
      const ended = new Promise<void>((resolve) => output.end(reads ? 60_000 : 1, resolve));
      if (reads) readOn();
      await ended;
    }
  });

  it("takes no line behind the last one, and that one although more than 1 MiB waits", async () => {
    const { output, received, stop, readOn } = setUp();
    stop();
    for (let i = 0; i < 1024 + 40; i++) output.write(line);
    output.write("last\n");
    const ended = new Promise<void>((resolve) => output.end(60_000, resolve));
    output.write("later\n");
    output.flush();
    readOn();
    await ended;
    assert.match(received.join(""), /"lines":40.*\nlast\n$/);
  });
});
