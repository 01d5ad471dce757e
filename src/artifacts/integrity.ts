import { createHash } from "node:crypto";
import { Transform } from "node:stream";
import type { TransformCallback } from "node:stream";

/** What the bytes of a transfer must be. */
interface Expectation {
  readonly length: number;
  /** Lower-case hex; undefined where only a part is sent, or nothing vouches for the file. */
  readonly sha256: string | undefined;
}

/** The bytes of a transfer are not the expected ones. */
export class IntegrityError extends Error {
  override readonly name = "IntegrityError";
}

/**
 * Passes bytes through and fails with an IntegrityError unless they are the expected ones. The last chunk is held back until all
 * of them are checked: a client that counts bytes must never receive a complete wrong file.
 */
export function createIntegrityCheck({ length, sha256 }: Expectation): Transform {
  const hash = sha256 === undefined ? undefined : createHash("sha256");
  let received = 0;
  let held: Buffer | undefined;

  function transform(this: Transform, chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback) {
    // An empty chunk would set free the one that is held.
    if (chunk.length === 0) return done();
    received += chunk.length;
    if (received > length)
      return done(new IntegrityError(`the object store sent more than the ${length} bytes promised`));
    hash?.update(chunk);
    const ready = held;
    held = chunk;
    done(null, ready);
  }

  function flush(done: TransformCallback) {
    if (received !== length) {
      return done(new IntegrityError(`the object store sent ${received} of ${length} bytes`));
    }
    if (hash !== undefined && hash.digest("hex") !== sha256) {
      return done(new IntegrityError("the object store sent bytes of another SHA-256 than the artifact's"));
    }
    done(null, held);
  }

  return new Transform({ transform, flush });
}
