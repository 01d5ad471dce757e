import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { gzipSync } from "node:zlib";
import { create, toBinary } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import type { CallOptions } from "@connectrpc/connect";
import {
  ListLedgerResponseSchema,
  WorkflowSchema,
} from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import { ByteSemaphore } from "../../src/load-shedding/byte-semaphore.ts";
import type { OrchestratorClient } from "../../src/orchestrator/client.ts";
import type { EncodedMessage } from "../../src/grpc/encoded-message.ts";
import { encodeEnvelope } from "../../src/grpc/envelope.ts";
import type { MessageMemory } from "../../src/grpc/message-memory.ts";
import { suite } from "../support/gateway.ts";
import { scaled } from "../support/machine.ts";
import { connectTo } from "../support/orchestrator.ts";
import { finish, respond, startHttp2Server } from "./http2-server.ts";
import type { Http2Server } from "./http2-server.ts";
import { until } from "../support/until.ts";

/** A Workflow or a WorkflowEvent that is large enough to need memory. */
const large = toBinary(WorkflowSchema, create(WorkflowSchema, { id: "x".repeat(300_000) }));
const envelope = encodeEnvelope(large);
const half = envelope.subarray(0, 150_000);
const limit = 1024 * 1024;

type Received = EncodedMessage<unknown>;

/** Each kind of call. Pushes its messages to `received`. */
const kinds: Record<
  string,
  (client: OrchestratorClient, received: Received[], options?: CallOptions) => Promise<void>
> = {
  call: async (client, received, options) => void received.push(await client.getWorkflow({}, options)),
  stream: async (client, received, options) => {
    for await (const message of client.streamWorkflowEvents({}, options)) received.push(message);
  },
};

/** How a call with a large message may fail, and with which code. */
const failures: readonly [what: string, serve: Http2Server["serve"], codes: Record<string, Code>][] = [
  [
    "ends with an error after the message",
    (stream) => {
      respond(stream, envelope);
      finish(stream, "5");
    },
    { call: Code.NotFound, stream: Code.NotFound },
  ],
  [
    "ends with an error within the message",
    (stream) => {
      respond(stream, half);
      finish(stream, "5");
    },
    { call: Code.NotFound, stream: Code.NotFound },
  ],
  [
    "ends within the message",
    (stream) => {
      respond(stream, half);
      finish(stream);
    },
    { call: Code.Internal, stream: Code.Internal },
  ],
  [
    "receives a message over the limit after the message",
    (stream) => respond(stream, Buffer.concat([envelope, Buffer.of(0, 0xff, 0xff, 0xff, 0xff)])),
    { call: Code.ResourceExhausted, stream: Code.ResourceExhausted },
  ],
  [
    "receives a large message that is not gzip",
    (stream) => {
      const compressed = Buffer.from(envelope);
      compressed[0] = 1;
      respond(stream, compressed, { "grpc-encoding": "gzip" });
      finish(stream);
    },
    { call: Code.Internal, stream: Code.Internal },
  ],
  [
    "loses its connection within the message, each time",
    (stream) => {
      respond(stream, half);
      setImmediate(() => stream.session?.destroy());
    },
    { call: Code.Unavailable, stream: Code.Unavailable },
  ],
  [
    "is reset within the message, each time",
    (stream) => {
      respond(stream, half);
      setImmediate(() => stream.close(2));
    },
    { call: Code.Unavailable, stream: Code.Unavailable },
  ],
];

describe("ReadOptions.memory", () => {
  const server = suite(startHttp2Server);

  /** A client with its own memory. */
  function start(memory: MessageMemory) {
    const { encodedClient, close } = connectTo([server().url], { memory, readMaxBytes: 2 * limit });
    return { client: encodedClient, [Symbol.dispose]: close };
  }

  for (const [kind, call] of Object.entries(kinds)) {
    describe(`for a ${kind}`, () => {
      it("is acquired for a large message until it is disposed of", async () => {
        const memory = new ByteSemaphore(limit);
        using connection = start(memory);
        server().serve = (stream) => {
          respond(stream, envelope);
          finish(stream);
        };
        const received: Received[] = [];
        await call(connection.client, received);
        assert.equal(memory.used, large.length);
        assert.deepEqual(Buffer.from(received[0]!.bytes), Buffer.from(large));
        received[0]![Symbol.dispose]();
        received[0]![Symbol.dispose]();
        assert.equal(memory.used, 0);
        assert.throws(() => received[0]!.bytes, /disposed/);
      });

      it("is not acquired for a small message", async () => {
        const memory = new ByteSemaphore(limit);
        using connection = start(memory);
        server().serve = (stream) => {
          respond(stream, encodeEnvelope(large.subarray(0, 0)));
          finish(stream);
        };
        const received: Received[] = [];
        await call(connection.client, received);
        assert.deepEqual([received[0]!.bytes.length, memory.used], [0, 0]);
      });

      it("changes to the memory of the decompressed message", async () => {
        const memory = new ByteSemaphore(limit);
        using connection = start(memory);
        const plain = Buffer.concat([randomBytes(100_000), Buffer.alloc(100_000)]);
        const compressed = Buffer.from(encodeEnvelope(gzipSync(plain)));
        compressed[0] = 1;
        server().serve = (stream) => {
          respond(stream, compressed, { "grpc-encoding": "gzip" });
          finish(stream);
        };
        const received: Received[] = [];
        await call(connection.client, received);
        assert.ok(plain.equals(received[0]!.bytes));
        assert.equal(memory.used, plain.length);
        received[0]![Symbol.dispose]();
        assert.equal(memory.used, 0);
      });

      it("is waited for if a small message is large after decompression", async () => {
        const memory = new ByteSemaphore(limit);
        const other = memory.tryAcquire(1)!;
        using connection = start(memory);
        const plain = Buffer.alloc(200_000);
        const gzip = gzipSync(plain);
        const compressed = Buffer.from(encodeEnvelope(gzip));
        compressed[0] = 1;
        server().serve = (stream) => {
          respond(stream, compressed, { "grpc-encoding": "gzip" });
          finish(stream);
        };
        const received: Received[] = [];
        const bound = plain.length;
        const rest = memory.tryAcquire(limit - bound);
        const ended = call(connection.client, received);
        await until(() => memory.firstWaiter !== undefined);
        assert.equal(memory.firstWaiter?.bytes, bound);
        other.resize(0);
        await ended;
        rest?.resize(0);
        assert.ok(plain.equals(received[0]!.bytes));
        assert.equal(memory.used, plain.length);
      });

      for (const [what, serve, codes] of failures)
        it(`is released when the call ${what}`, async () => {
          const memory = new ByteSemaphore(limit);
          using connection = start(memory);
          server().serve = serve;
          const received: Received[] = [];
          await assert.rejects(call(connection.client, received), { code: codes[kind]! });
          for (const message of received) message[Symbol.dispose]();
          assert.equal(memory.used, 0);
        });

      it("is released when the call is cancelled within the message", async () => {
        const memory = new ByteSemaphore(limit);
        using connection = start(memory);
        server().serve = (stream) => respond(stream, half);
        const leaving = new AbortController();
        const failing = assert.rejects(call(connection.client, [], { signal: leaving.signal }), {
          code: Code.Canceled,
        });
        await until(() => memory.used === large.length);
        leaving.abort();
        await failing;
        assert.equal(memory.used, 0);
      });

      it("is released at the deadline within the message", async () => {
        const memory = new ByteSemaphore(limit);
        using connection = start(memory);
        server().serve = (stream) => respond(stream, half);
        await assert.rejects(call(connection.client, [], { timeoutMs: scaled(100) }), {
          code: Code.DeadlineExceeded,
        });
        assert.equal(memory.used, 0);
      });

      it("is waited for, and never exceeded", async () => {
        const memory = new ByteSemaphore(limit);
        const other = memory.tryAcquire(limit)!;
        using connection = start(memory);
        server().serve = (stream) => {
          respond(stream, envelope);
          finish(stream);
        };
        const received: Received[] = [];
        const ended = call(connection.client, received);
        await until(() => memory.firstWaiter !== undefined);
        assert.equal(memory.firstWaiter?.bytes, large.length);
        assert.equal(received.length, 0);
        other.resize(0);
        await ended;
        assert.deepEqual([received.length, memory.used], [1, large.length]);
        assert.deepEqual(Buffer.from(received[0]!.bytes), Buffer.from(large));
      });

      for (const [what, options, end, code] of [
        ["is cancelled", {}, (leaving: AbortController) => leaving.abort(), Code.Canceled],
        ["reaches its deadline", { timeoutMs: scaled(1000) }, () => undefined, Code.DeadlineExceeded],
      ] as const)
        it(`is released when the call ${what} while it waits for memory`, async () => {
          const memory = new ByteSemaphore(limit);
          const other = memory.tryAcquire(limit)!;
          using connection = start(memory);
          server().serve = (stream) => {
            respond(stream, envelope);
            finish(stream);
          };
          const leaving = new AbortController();
          const failing = assert.rejects(
            call(connection.client, [], { ...options, signal: leaving.signal }),
            { code },
          );
          await until(() => memory.firstWaiter !== undefined);
          end(leaving);
          await failing;
          assert.deepEqual([memory.used, memory.firstWaiter], [limit, undefined]);
          other.resize(0);
          assert.equal(memory.used, 0);
        });

      it("makes the call Unavailable when too many wait for it", async () => {
        using connection = start({
          tryAcquire: () => undefined,
          acquire: () => Promise.reject(new Error("too many wait")),
        });
        server().serve = (stream) => respond(stream, half);
        await assert.rejects(call(connection.client, []), {
          code: Code.Unavailable,
          rawMessage: "too many wait",
        });
      });
    });
  }

  it("is released if a call receives more than one message", async () => {
    const memory = new ByteSemaphore(limit);
    using connection = start(memory);
    server().serve = (stream) => respond(stream, Buffer.concat([envelope, envelope]));
    await assert.rejects(connection.client.getWorkflow({}), { code: Code.Unimplemented });
    assert.equal(memory.used, 0);
  });

  it("is held only for the last response of a retried call", async () => {
    const memory = new ByteSemaphore(limit);
    using connection = start(memory);
    let requests = 0;
    server().serve = (stream) => {
      requests += 1;
      respond(stream, requests === 1 ? half : envelope);
      if (requests > 1) return finish(stream);
      void until(() => memory.used > 0).then(() => stream.session?.destroy());
    };
    using message = await connection.client.getWorkflow({});
    assert.deepEqual([requests, memory.used, message.bytes.length], [2, large.length, large.length]);
  });

  it("is released if it is acquired after its call was retried", async () => {
    const memory = new ByteSemaphore(limit);
    const other = memory.tryAcquire(limit)!;
    using connection = start(memory);
    let requests = 0;
    server().serve = (stream) => {
      requests += 1;
      respond(stream, envelope);
      if (requests > 1) finish(stream);
      else void until(() => memory.firstWaiter !== undefined).then(() => stream.session?.destroy());
    };
    const call = connection.client.getWorkflow({});
    await until(() => requests === 2);
    other.resize(0);
    using message = await call;
    assert.deepEqual([memory.used, message.bytes.length], [large.length, large.length]);
  });

  it("is released once a message is decoded, or cannot be decoded", async () => {
    const memory = new ByteSemaphore(limit);
    using connection = start(memory);
    const entries = [{ reason: "x".repeat(100_000) }];
    const ledger = toBinary(ListLedgerResponseSchema, create(ListLedgerResponseSchema, { entries }));
    for (const [bytes, code] of [
      [ledger, undefined],
      [ledger.subarray(0, -1), Code.Internal],
    ] as const) {
      server().serve = (stream) => {
        respond(stream, encodeEnvelope(bytes));
        finish(stream);
      };
      const call = connection.client.listLedger({});
      if (code === undefined) assert.equal((await call).entries[0]?.reason.length, 100_000);
      else await assert.rejects(call, { code });
      assert.equal(memory.used, 0);
    }
  });

  it("is released when a stream is left within a message, and while it waits for memory", async () => {
    const memory = new ByteSemaphore(limit);
    using connection = start(memory);
    server().serve = (stream) => respond(stream, half);
    const events = connection.client.streamWorkflowEvents({})[Symbol.asyncIterator]();
    const next = events.next();
    await until(() => memory.used === large.length);
    await events.return?.();
    assert.deepEqual([(await next).done, memory.used], [true, 0]);

    const other = memory.tryAcquire(limit)!;
    const waiting = connection.client.streamWorkflowEvents({})[Symbol.asyncIterator]();
    const none = waiting.next();
    await until(() => memory.firstWaiter !== undefined);
    await waiting.return?.();
    assert.equal((await none).done, true);
    other.resize(0);
    await new Promise(setImmediate);
    assert.equal(memory.used, 0);
  });

  it("is acquired for the messages of a stream in order, as others are disposed of", async () => {
    const memory = new ByteSemaphore(large.length);
    using connection = start(memory);
    server().serve = (stream) => {
      respond(stream, Buffer.concat([envelope, encodeEnvelope(large.subarray(0, 0)), envelope, envelope]));
      finish(stream);
    };
    const lengths: number[] = [];
    for await (const message of connection.client.streamWorkflowEvents({})) {
      lengths.push(message.bytes.length);
      message[Symbol.dispose]();
    }
    assert.deepEqual(lengths, [large.length, 0, large.length, large.length]);
    assert.equal(memory.used, 0);
  });

  it("is waited for by a stream whose call has ended", async () => {
    const memory = new ByteSemaphore(large.length);
    using connection = start(memory);
    server().serve = (stream) => {
      respond(stream, Buffer.concat([envelope, envelope]));
      finish(stream, "5");
    };
    const events = connection.client.streamWorkflowEvents({})[Symbol.asyncIterator]();
    const first = await events.next();
    const second = events.next();
    await until(() => memory.firstWaiter !== undefined);
    (first.value as Received)[Symbol.dispose]();
    assert.equal(((await second).value as Received).bytes.length, large.length);
    await assert.rejects(events.next(), { code: Code.NotFound });
  });
});
