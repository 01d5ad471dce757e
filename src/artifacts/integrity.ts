import { createHash } from "node:crypto";
import { finished, Writable } from "node:stream";
import { internalError } from "../errors/http-error.ts";
import { freeChunk } from "./chunk-memory.ts";

/**
 * The SHA-256 in an artifact's metadata, in lower case; undefined when it is empty and the file cannot be verified. Throws
 * Internal when it is not a SHA-256: an intended check must not be skipped.
 */
export function parseSha256(sha256: string): string | undefined {
  if (sha256 === "") return undefined;
  if (/^[0-9a-f]{64}$/i.test(sha256)) return sha256.toLowerCase();
  throw internalError(
    new IntegrityError(`the artifact's metadata has an invalid SHA-256: "${sha256.slice(0, 100)}"`),
  );
}

/**
 * The size in an artifact's metadata, in bytes; undefined when it is not set, which proto3 does not distinguish from 0,
 * and when it is not a safe integer.
 */
export function knownSize(sizeBytes: bigint): number | undefined {
  const size = Number(sizeBytes);
  return size > 0 && Number.isSafeInteger(size) ? size : undefined;
}

/** The expected bytes of a transfer. */
interface Expectation {
  readonly length: number;
  /** Lower-case hex; undefined for a part, and when the SHA-256 is unknown. */
  readonly sha256: string | undefined;
}

/** The transferred bytes differ from what was expected. */
export class IntegrityError extends Error {
  override readonly name = "IntegrityError";
}

type Done = (error?: Error | null) => void;

/**
 * A stream that writes its chunks to `out` and then frees their memory. Fails with an IntegrityError, and leaves `out`
 * open, when the bytes differ from what was expected. The last chunk is held back until all bytes are checked, so that a
 * client that counts bytes never receives a complete wrong file. `begin` is called once before the first write, and
 * `onSent` with the number of bytes of each write that is done.
 */
export function createCheckedWriter(
  out: Writable,
  { length, sha256 }: Expectation,
  begin: () => void,
  onSent: (bytes: number) => void = () => undefined,
): Writable {
  const hash = sha256 === undefined ? undefined : createHash("sha256");
  let received = 0;
  let held: Buffer | undefined;
  let hasBegun = false;
  let onFinish: (() => void) | undefined;

  function ensureBegun(done: Done): boolean {
    try {
      if (!hasBegun) begin();
      hasBegun = true;
    } catch (error) {
      // Thrown from here, it would reach the store's socket, which nothing handles.
      done(new Error("the transfer could not begin", { cause: error }));
    }
    return hasBegun;
  }

  function send(chunk: Buffer, done: Done) {
    if (!ensureBegun(done)) return;
    out.write(chunk, function written(error) {
      // `out` closes then, too, and `finished` reports that.
      if (error) return;
      onSent(chunk.length);
      freeChunk(chunk);
      done();
    });
  }

  function write(chunk: Buffer, _encoding: BufferEncoding, done: Done) {
    // An empty chunk must not release the held one.
    if (chunk.length === 0) return done();
    received += chunk.length;
    if (received > length)
      return done(new IntegrityError(`the object store sent more than the expected ${length} bytes`));
    hash?.update(chunk);
    const ready = held;
    held = chunk;
    if (ready === undefined) done();
    else send(ready, done);
  }

  function final(done: Done) {
    if (received !== length) {
      return done(new IntegrityError(`the object store sent ${received} of ${length} bytes`));
    }
    if (hash !== undefined && hash.digest("hex") !== sha256) {
      return done(new IntegrityError("the object store sent bytes whose SHA-256 is not the artifact's"));
    }
    if (!ensureBegun(done)) return;
    onFinish = () => {
      onSent(held?.length ?? 0);
      done();
    };
    out.end(held);
  }

  const writer = new Writable({ write, final });
  finished(out, function ended(error) {
    if (error) writer.destroy(error);
    else onFinish?.();
  });
  return writer;
}
