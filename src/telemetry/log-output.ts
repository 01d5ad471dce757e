import type { Writable } from "node:stream";

/** Lines are written together once they make up a page of memory, or after this many milliseconds. */
const pageLength = 4096;
const flushMs = 100;

/** Most characters that wait for whoever reads the log. */
const maxWaiting = 1024 * 1024;

/**
 * Where log lines go: a page at a time, within 100 ms. A log that is not read, or cannot be written, holds up
 * nothing: once 1 MiB waits, further lines are dropped, and a line `log_lines.dropped` tells their number when there is
 * room again. Each line goes through `format`.
 */
export class LogOutput {
  readonly #out: Writable;
  readonly #format: (line: string) => string;
  #page = "";
  #lines = 0;
  #dropped = 0;
  #timer: NodeJS.Timeout | undefined;
  #isEnded = false;

  constructor(out: Writable, format: (line: string) => string = (line) => line) {
    this.#out = out;
    this.#format = format;
    // Nobody is left to be told.
    out.on("error", () => undefined);
  }

  write(line: string): void {
    if (this.#isEnded) return;
    this.#page += this.#format(line);
    this.#lines += 1;
    if (this.#page.length >= pageLength) this.flush();
    // It runs only while something waits.
    else this.#timer ??= setTimeout(() => this.flush(), flushMs).unref();
  }

  /** Writes what waits for its page to be full. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#lines === 0) return;
    const lines = this.#lines;
    const page = this.#page;
    this.#lines = 0;
    this.#page = "";
    const hasRoom = this.#isEnded || this.#out.writableLength < maxWaiting;
    if (hasRoom && this.#tryToWrite(this.#droppedLine() + page)) this.#dropped = 0;
    else this.#dropped += lines;
  }

  /**
   * Takes no more lines, so that the last one is the last. Calls `done` once all is written, or after `patienceMs`;
   * now, where nothing waits.
   */
  end(patienceMs: number, done: () => void): void {
    this.#isEnded = true;
    this.flush();
    if (this.#out.writableLength === 0) return done();
    setTimeout(done, patienceMs);
    this.#out.write("", done);
  }

  /** A file that is full throws where a pipe has an event. */
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
