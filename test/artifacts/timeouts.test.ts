import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import type { AddressInfo, Socket } from "node:net";
import { Readable } from "node:stream";
import { withTimeout, withIdleTimeout } from "../../src/artifacts/timeouts.ts";

const ms = 20;
const never = new AbortController().signal;

/** A source with an idle timeout, and the message of its error. */
function sourceWithTimeout() {
  const source = new Readable({ read: () => undefined });
  withIdleTimeout(source, ms);
  const failure = once(source, "error").then(([error]) => (error as Error).message);
  return { source, failure };
}

const text = `the object store sent nothing for ${ms} ms`;

/**
 * Resolves when a source without bytes has failed. Timers with one duration fire in the order of their start: a timeout
 * that started earlier has fired by then, and one that started later has not.
 */
async function timeoutPassed(): Promise<void> {
  assert.equal(await sourceWithTimeout().failure, text);
}

describe("withIdleTimeout", () => {
  for (const [what, begin] of [
    ["is read from", (source: Readable) => once(source.resume(), "resume")],
    ["is not read yet", () => Promise.resolve([])],
  ] as const)
    it(`fails a source without bytes that ${what}`, async () => {
      const { source, failure } = sourceWithTimeout();
      await begin(source);
      await timeoutPassed();
      assert.equal(await failure, text);
    });

  it("restarts with each byte", async () => {
    const { source, failure } = sourceWithTimeout();
    await once(source.resume(), "resume");
    const passed = timeoutPassed();
    source.push("x");
    await passed;
    assert.ok(!source.destroyed);
    assert.equal(await failure, text);
  });

  it("reads what has arrived while the event loop was blocked before it fails", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const source = connect((server.address() as AddressInfo).port, "127.0.0.1");
    const [[peer]] = (await Promise.all([once(server, "connection"), once(source, "connect")])) as [
      [Socket],
      [],
    ];
    withIdleTimeout(source, ms);
    const arrived = once(source.resume(), "data");
    await once(source, "resume");
    // To the kernel, at once.
    peer.write("x");
    for (const end = performance.now() + 3 * ms; performance.now() < end;);
    assert.equal(String((await arrived)[0]), "x");
    assert.ok(!source.destroyed);
    source.destroy();
    server.close();
  });

  it("does not count while the reader pauses, and restarts when it resumes", async () => {
    const { source, failure } = sourceWithTimeout();
    await once(source.resume(), "resume");
    source.pause();
    await timeoutPassed();
    await timeoutPassed();
    assert.ok(!source.destroyed);
    const passed = timeoutPassed();
    source.resume();
    await passed;
    assert.ok(!source.destroyed);
    assert.equal(await failure, text);
  });

  it("keeps every byte for a later reader", async () => {
    const { source } = sourceWithTimeout();
    source.push("early");
    await new Promise(setImmediate);
    source.push(null);
    assert.equal((await source.toArray()).join(""), "early");
  });

  it("clears its timer when the source ends", async () => {
    const timers = () => process.getActiveResourcesInfo().filter((kind) => kind === "Timeout").length;
    const { source } = sourceWithTimeout();
    await once(source.resume(), "resume");
    const before = timers();
    source.push(null);
    await once(source, "close");
    assert.equal(timers(), before - 1);
  });
});

describe("withTimeout", () => {
  /** A request without a response, and the signal given to it. */
  function pendingRequest(signal: AbortSignal) {
    const sent = Promise.withResolvers<AbortSignal>();
    const response = withTimeout(ms, signal, (inner) => {
      sent.resolve(inner);
      return new Promise((_, reject) => inner.addEventListener("abort", () => reject(new Error("aborted"))));
    });
    return { sent: sent.promise, response };
  }

  it("resolves to the result, and aborts nothing afterwards", async () => {
    const controller = new AbortController();
    let given: AbortSignal | undefined;
    const response = await withTimeout(ms, controller.signal, (signal) => {
      given = signal;
      return Promise.resolve("yes");
    });
    assert.equal(response, "yes");
    await timeoutPassed();
    controller.abort();
    assert.equal(given?.aborted, false);
  });

  it("aborts with a reason after the timeout", async () => {
    const { sent, response } = pendingRequest(never);
    await assert.rejects(response, { message: `the object store did not respond within ${ms} ms` });
    assert.ok((await sent).aborted);
  });

  it("aborts with the reason of its caller", async () => {
    const controller = new AbortController();
    const { sent, response } = pendingRequest(controller.signal);
    const reason = new Error("gone");
    controller.abort(reason);
    await assert.rejects(response, (error) => error === reason);
    assert.ok((await sent).aborted);
  });

  it("aborts the signal when the request fails", async () => {
    let given: AbortSignal | undefined;
    const failure = new Error("failed");
    const response = withTimeout(ms, never, (signal) => {
      given = signal;
      return Promise.reject(failure);
    });
    await assert.rejects(response, (error) => error === failure);
    assert.ok(given?.aborted);
  });

  it("sends nothing when the caller has aborted already", async () => {
    const sent = withTimeout(ms, AbortSignal.abort(), () => assert.fail("it was sent"));
    await assert.rejects(sent, { name: "AbortError" });
  });
});
