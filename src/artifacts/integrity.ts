import { createHash } from "node:crypto";
import { finished, Writable } from "node:stream";
import { internalError } from "../errors/http-error.ts";
import { freeChunk } from "./chunk-memory.ts";

/**
 * The SHA-256 in an artifact's metadata, in lower case; undefined where it is empty, and nothing vouches for the file.
 * Throws Internal for what is no SHA-256: a check that was meant must not be left out.
 */
export function parseSha256(sha256: string): string | undefined {
  if (sha256 === "") return undefined;
  if (/^[0-9a-f]{64}$/i.test(sha256)) return sha256.toLowerCase();
  throw internalError(
    new IntegrityError(`the artifact's metadata has no SHA-256 but "${sha256.slice(0, 100)}"`),
  );
}

/**
 * The size in an artifact's metadata, in bytes; undefined where it is not set, which proto3 cannot tell from 0, and
 * where it is beyond what a `Content-Length` is computed with.
 */
export function knownSize(sizeBytes: bigint): number | undefined {
  const size = Number(sizeBytes);
  return size > 0 && Number.isSafeInteger(size) ? size : undefined;
}

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

type Done = (error?: Error | null) => void;

/**
 * Sends what is written to it on to `out`, then releases its memory. Fails with an IntegrityError, `out` left open,
 * unless the bytes are the expected ones. The last chunk is held back until all of them are checked: a client that
 * counts bytes must never receive a complete wrong file. `begin` is called once, before anything is sent; `sent` hears
 * how many bytes `out` has taken each time.
 */
export function createCheckedWriter(
  out: Writable,
  { length, sha256 }: Expectation,
  begin: () => void,
  sent: (bytes: number) => void = () => undefined,
): Writable {
  const hash = sha256 === undefined ? undefined : createHash("sha256");
  let received = 0;
  let held: Buffer | undefined;
  let hasBegun = false;
  let whenEnded: (() => void) | undefined;

  function begun(done: Done): boolean {
    try {
      if (!hasBegun) begin();
      hasBegun = true;
    } catch (error) {
      // Thrown from here it would reach the socket that was read, where nobody expects it.
      done(new Error("the transfer could not begin", { cause: error }));
    }
    return hasBegun;
  }

  function send(chunk: Buffer, done: Done) {
    if (!begun(done)) return;
    out.write(chunk, function taken(error) {
      // What cannot be written to is closed, and its closing says so better than this error.
      if (error) return;
      sent(chunk.length);
      freeChunk(chunk);
      done();
    });
  }

  function write(chunk: Buffer, _encoding: BufferEncoding, done: Done) {
    // An empty chunk would set free the one that is held.
    if (chunk.length === 0) return done();
    received += chunk.length;
    if (received > length)
      return done(new IntegrityError(`the object store sent more than the ${length} bytes promised`));
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
      return done(new IntegrityError("the object store sent bytes of another SHA-256 than the artifact's"));
    }
    if (!begun(done)) return;
    whenEnded = () => {
      sent(held?.length ?? 0);
      done();
    };
    out.end(held);
  }

  const writer = new Writable({ write, final });
  finished(out, function ended(error) {
    if (error) writer.destroy(error);
    else whenEnded?.();
  });
  return writer;
}
