import assert from "node:assert/strict";
import fc from "fast-check";
import { ConnectionError, errorCode } from "../../../src/grpc/http2/protocol.ts";
import { Stream } from "../../../src/grpc/http2/stream.ts";
import { lastStreamId, StreamTable } from "../../../src/grpc/http2/stream-table.ts";

const request = { path: "/", headers: {}, body: new Uint8Array(), hasNoSideEffects: true };
const listener = {
  onHeaders: () => undefined,
  onData: () => undefined,
  onTrailers: () => undefined,
  onClosed: () => undefined,
};

function addTo(table: StreamTable): Stream {
  const stream = new Stream({ reset: () => undefined, credit: () => undefined }, request, listener, 0);
  table.add(stream);
  return stream;
}

function isIdle(error: unknown): boolean {
  return error instanceof ConnectionError && error.code === errorCode.protocolError;
}

describe("StreamTable", () => {
  it("gives odd ids, and finds streams by them until they are deleted", () => {
    const table = new StreamTable();
    const [one, three] = [addTo(table), addTo(table)];
    assert.deepEqual([one.id, three.id, table.size], [1, 3, 2]);
    assert.equal(table.get(3), three);
    table.delete(three);
    table.delete(three);
    assert.deepEqual([table.get(1), table.get(3), table.size], [one, undefined, 1]);
  });

  it("throws PROTOCOL_ERROR for idle and for even ids", () => {
    const table = new StreamTable();
    addTo(table);
    for (const id of [0, 2, 3, 4, lastStreamId, lastStreamId - 1]) assert.throws(() => table.get(id), isIdle);
  });

  it("has ids up to 2^31-1", () => {
    const table = new StreamTable(lastStreamId - 2);
    assert.ok(table.hasIds);
    addTo(table);
    assert.ok(table.hasIds);
    const last = addTo(table);
    assert.ok(!table.hasIds);
    assert.equal(last.id, lastStreamId);
    assert.equal(table.get(lastStreamId), last);
    assert.equal(table.get(1), undefined);
  });

  it("keeps an old stream while thousands of later ones are opened and closed", () => {
    const table = new StreamTable();
    const old = addTo(table);
    for (let count = 0; count < 10_000; count += 1) table.delete(addTo(table));
    assert.equal(table.get(1), old);
    assert.deepEqual(table.all(), [old]);
  });

  it("returns all streams, oldest first, also more than it has slots", () => {
    const table = new StreamTable();
    const streams = Array.from({ length: 150_000 }, () => addTo(table));
    assert.equal(table.size, streams.length);
    assert.ok(streams.every((stream) => table.get(stream.id) === stream));
    assert.deepEqual(
      table.all().map(({ id }) => id),
      streams.map(({ id }) => id),
    );
    for (const stream of streams) table.delete(stream);
    assert.equal(table.size, 0);
  });

  it("knows streams that were reset, and that those after them were not", () => {
    const table = new StreamTable();
    const streams = Array.from({ length: 600 }, () => addTo(table));
    for (const { id } of streams.slice(0, 300)) table.markReset(id);
    assert.ok(streams.slice(0, 300).every(({ id }) => table.mayBeReset(id)));
    assert.ok(streams.slice(300).every(({ id }) => !table.mayBeReset(id)));
  });

  it("finds what a Map finds", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.boolean(), fc.nat()), { maxLength: 800 }), (steps) => {
        const table = new StreamTable();
        const expected = new Map<number, Stream>();
        let ever = 0;
        for (const [isDeletion, pick] of steps) {
          const streams = [...expected.values()];
          const victim = isDeletion ? streams[pick % streams.length] : undefined;
          if (victim === undefined) {
            const stream = addTo(table);
            expected.set(stream.id, stream);
            ever += 1;
          } else {
            table.delete(victim);
            expected.delete(victim.id);
          }
        }
        assert.equal(table.size, expected.size);
        for (let id = 1; id < 2 * ever; id += 2) assert.equal(table.get(id), expected.get(id));
        assert.deepEqual(table.all(), [...expected.values()]);
      }),
      { numRuns: 50 },
    );
  });
});
