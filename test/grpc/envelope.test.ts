import assert from "node:assert/strict";
import { Code, ConnectError } from "@connectrpc/connect";
import { ByteSemaphore } from "../../src/load-shedding/byte-semaphore.ts";
import { EnvelopeReader, encodeEnvelope } from "../../src/grpc/envelope.ts";
import { smallMessageBytes, unboundedMemory } from "../../src/grpc/message-memory.ts";
import type { MessageMemory } from "../../src/grpc/message-memory.ts";
import { tooLargeBytes } from "../../src/grpc/envelope.ts";

const texts = ["", "a", "a longer message", "", "b"];
const bytes = Buffer.concat(texts.map((text) => encodeEnvelope(Buffer.from(text))));

/** A reader, and its callbacks: "waiting", "admitted" and the text of errors. */
function createReader({
  maxBytes = 100,
  memory = unboundedMemory,
}: { maxBytes?: number; memory?: MessageMemory } = {}) {
  const callbacks: string[] = [];
  const options = { maxBytes, memory, owner: undefined };
  const reader = new EnvelopeReader(options, {
    onWaiting: () => void callbacks.push("waiting"),
    onAdmitted: () => void callbacks.push("admitted"),
    onFailed: ({ code, rawMessage }) => void callbacks.push(`${Code[code]} ${rawMessage}`),
  });
  return { reader, callbacks };
}

/** A message that needs memory. */
const large = Buffer.alloc(smallMessageBytes + 1, "x");

/** Resolves after all pending callbacks have run. */
const callbacksRun = () => new Promise(setImmediate);

describe("encodeEnvelope", () => {
  it("puts the prefix before the message", () => {
    assert.deepEqual([...encodeEnvelope(Buffer.from("ab"))], [0, 0, 0, 0, 2, 97, 98]);
    assert.deepEqual([...encodeEnvelope(Buffer.alloc(0x010203)).subarray(0, 5)], [0, 0, 1, 2, 3]);
  });
});

describe("EnvelopeReader", () => {
  for (let size = 1; size <= bytes.length; size++)
    it(`returns every message once, in order, from chunks of ${size} bytes`, () => {
      const { reader } = createReader();
      const taken: string[] = [];
      for (let start = 0; start < bytes.length; start += size) {
        reader.push(bytes.subarray(start, start + size));
        for (let message = reader.take(); message !== undefined; message = reader.take())
          taken.push(Buffer.from(message.bytes).toString());
      }
      assert.deepEqual(taken, texts);
      assert.equal(reader.hasRest, false);
    });

  it("keeps no reference to pushed bytes, and changes no message that was taken", () => {
    const { reader } = createReader();
    const chunk = Buffer.alloc(7);
    const taken: Uint8Array[] = [];
    for (let start = 0; start < bytes.length; start += chunk.length) {
      reader.push(chunk.subarray(0, bytes.copy(chunk, 0, start, start + chunk.length)));
      for (let message = reader.take(); message !== undefined; message = reader.take())
        taken.push(message.bytes);
      chunk.fill(0xff);
    }
    assert.deepEqual(
      taken.map((message) => Buffer.from(message).toString()),
      texts,
    );
  });

  it("returns messages after all chunks were pushed", () => {
    const { reader } = createReader();
    for (const byte of bytes) reader.push(Buffer.of(byte));
    assert.deepEqual(
      texts.map(() => Buffer.from(reader.take()?.bytes ?? "none").toString()),
      texts,
    );
  });

  it("reports the rest of a message", () => {
    const { reader } = createReader();
    reader.push(bytes.subarray(0, 6));
    assert.equal(reader.take()?.bytes.length, 0);
    assert.equal(reader.take(), undefined);
    assert.equal(reader.hasRest, true);
  });

  it("returns a message of exactly the limit, and throws for a larger one once its prefix is received", () => {
    const { reader } = createReader({ maxBytes: 3 });
    reader.push(Buffer.from(encodeEnvelope(Buffer.from("abc"))));
    assert.equal(reader.take()?.bytes.length, 3);
    reader.push(Buffer.from([0, 0, 0, 0, 4]));
    assert.throws(
      () => reader.take(),
      (error) => {
        assert.ok(error instanceof ConnectError);
        assert.equal(error.code, Code.ResourceExhausted);
        assert.match(error.rawMessage, /size 4 .* 3 bytes/);
        return tooLargeBytes(error) === 4;
      },
    );
  });

  it("reports which messages are compressed, small and large", () => {
    const { reader } = createReader({ maxBytes: 1e6 });
    const compressed = Buffer.from(encodeEnvelope(Buffer.from("a")));
    const largeCompressed = Buffer.from(encodeEnvelope(large));
    compressed[0] = largeCompressed[0] = 1;
    for (const frame of [
      compressed,
      encodeEnvelope(Buffer.from("a")),
      largeCompressed,
      encodeEnvelope(large),
    ])
      reader.push(Buffer.from(frame));
    const flags = [1, 2, 3, 4].map(() => reader.take()?.isCompressed);
    assert.deepEqual(flags, [true, false, true, false]);
  });

  it("acquires memory only for a message of more than 64 KiB", () => {
    const memory = new ByteSemaphore(1e6);
    const { reader, callbacks } = createReader({ maxBytes: 1e6, memory });
    const small = large.subarray(1);
    reader.push(Buffer.concat([encodeEnvelope(small), encodeEnvelope(large)]));
    const first = reader.take();
    assert.deepEqual([first?.bytes.length, first?.lease, memory.used], [small.length, undefined, 0]);
    const second = reader.take();
    assert.deepEqual([second?.bytes.length, memory.used], [large.length, large.length]);
    second?.lease?.resize(0);
    assert.equal(memory.used, 0);
    assert.deepEqual(callbacks, []);
  });

  for (const size of [1, 2, 5, 7, 65_536, large.length + 4])
    it(`acquires memory once the length is known, and fills the message from chunks of ${size} bytes`, () => {
      const memory = new ByteSemaphore(1e6);
      const { reader } = createReader({ maxBytes: 1e6, memory });
      const all = Buffer.concat([encodeEnvelope(large), encodeEnvelope(Buffer.from("next"))]);
      const taken: string[] = [];
      for (let start = 0; start < all.length; start += size) {
        reader.push(all.subarray(start, start + size));
        for (let message = reader.take(); message !== undefined; message = reader.take())
          taken.push(Buffer.from(message.bytes).toString());
        if (start + size >= 5) assert.equal(memory.used, large.length);
      }
      assert.deepEqual(taken, [large.toString(), "next"]);
      assert.equal(reader.hasRest, false);
    });

  it("pauses until memory is acquired, keeps what is pushed meanwhile, and delays later messages", async () => {
    const memory = new ByteSemaphore(large.length);
    const other = memory.tryAcquire(1);
    const { reader, callbacks } = createReader({ maxBytes: 1e6, memory });
    const all = Buffer.concat([encodeEnvelope(large), encodeEnvelope(Buffer.from("next"))]);
    reader.push(all.subarray(0, 10));
    assert.equal(reader.take(), undefined);
    assert.deepEqual(callbacks, ["waiting"]);
    reader.push(all.subarray(10));
    assert.equal(reader.take(), undefined);
    assert.equal(reader.hasRest, true);
    other?.resize(0);
    await callbacksRun();
    assert.deepEqual(callbacks, ["waiting", "admitted"]);
    assert.equal(memory.used, large.length);
    assert.deepEqual(Buffer.from(reader.take()?.bytes ?? ""), large);
    assert.equal(Buffer.from(reader.take()?.bytes ?? "").toString(), "next");
  });

  it("releases the memory when it is closed within a message", () => {
    const memory = new ByteSemaphore(1e6);
    const { reader } = createReader({ maxBytes: 1e6, memory });
    reader.push(Buffer.from(encodeEnvelope(large)).subarray(0, 100));
    assert.equal(reader.take(), undefined);
    assert.equal(memory.used, large.length);
    reader.close();
    assert.deepEqual([memory.used, reader.hasRest], [0, false]);
  });

  it("releases memory that it acquires after it was closed", async () => {
    const memory = new ByteSemaphore(large.length);
    const other = memory.tryAcquire(1);
    const { reader, callbacks } = createReader({ maxBytes: 1e6, memory });
    reader.push(Buffer.from(encodeEnvelope(large)));
    assert.equal(reader.take(), undefined);
    reader.close();
    other?.resize(0);
    await callbacksRun();
    assert.equal(memory.used, 0);
    assert.deepEqual(callbacks, ["waiting"]);
  });

  it("fails with Unavailable when memory cannot be acquired, unless it is closed", async () => {
    const memory: MessageMemory = {
      tryAcquire: () => undefined,
      acquire: () => Promise.reject(new Error("too many wait")),
    };
    for (const closes of [false, true]) {
      const { reader, callbacks } = createReader({ maxBytes: 1e6, memory });
      reader.push(Buffer.from(encodeEnvelope(large)));
      assert.equal(reader.take(), undefined);
      if (closes) reader.close();
      await callbacksRun();
      assert.deepEqual(callbacks, closes ? ["waiting"] : ["waiting", "Unavailable too many wait"]);
    }
  });

  it("fails with the error of the memory if that is a ConnectError", async () => {
    const error = new ConnectError("later", Code.ResourceExhausted);
    const memory: MessageMemory = { tryAcquire: () => undefined, acquire: () => Promise.reject(error) };
    const { reader, callbacks } = createReader({ maxBytes: 1e6, memory });
    reader.push(Buffer.from(encodeEnvelope(large)));
    reader.take();
    await callbacksRun();
    assert.deepEqual(callbacks, ["waiting", "ResourceExhausted later"]);
  });
});
