import type { Writable } from "node:stream";

/** Lines are written in batches of at least this many characters, or after this many milliseconds. */
const batchLength = 4096;
const flushMs = 100;

/** The maximum number of characters that wait for the reader of the log. */
const maxBuffered = 1024 * 1024;

/**
 * Writes log lines in batches, within 100 ms, each line in the given format. A log that nobody reads, or that cannot be
 * written, blocks nothing: while 1 MiB waits, further lines are dropped. A line `log_lines.dropped` with their number
 * comes before the next batch that is written.
 *
 * SonicBoom, pino's own output, does not do this: it writes on a thread of libuv, and while nobody reads a pipe that
 * blocks, `process.exit` waits for that thread without end.
 */
export class LogOutput {
  readonly #out: Writable;
  readonly #format: (line: string) => string;
  #batch = "";
  #lines = 0;
  #dropped = 0;
  #timer: NodeJS.Timeout | undefined;
  #isEnded = false;

  constructor(out: Writable, format: (line: string) => string = (line) => line) {
    this.#out = out;
    this.#format = format;
    // There is no other place to report it.
    out.on("error", () => undefined);
  }

  write(line: string): void {
    if (this.#isEnded) return;
    this.#batch += this.#format(line);
    this.#lines += 1;
    if (this.#batch.length >= batchLength) this.flush();
    // The timer runs only while a line waits.
    else this.#timer ??= setTimeout(() => this.flush(), flushMs).unref();
  }

  /** Writes the lines that wait for their batch. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#lines === 0) return;
    const lines = this.#lines;
    const batch = this.#batch;
    this.#lines = 0;
    this.#batch = "";
    const hasRoom = this.#isEnded || this.#out.writableLength < maxBuffered;
    if (hasRoom && this.#tryToWrite(this.#droppedLine() + batch)) this.#dropped = 0;
    else this.#dropped += lines;
  }

  /** Ignores further lines. Calls `done` when all others are written, or after `timeoutMs`; at once if none waits. */
  end(timeoutMs: number, done: () => void): void {
    this.#isEnded = true;
    this.flush();
    if (this.#out.writableLength === 0) return done();
    setTimeout(done, timeoutMs);
    this.#out.write("", done);
  }

  /** A full disk makes a write to a file throw; a pipe emits an event. */
  #tryToWrite(text: string): boolean {
    try {
      this.#out.write(text);
      return true;
    } catch {
      return false;
    }
  }

  #droppedLine(): string {
    if (this.#dropped === 0) return "";
    const event = "log_lines.dropped";
    const entry = { level: "warn", time: new Date(), event, lines: this.#dropped, msg: event };
    return this.#format(`${JSON.stringify(entry)}\n`);
  }
}
