import type { ServerResponse } from "node:http";
import type { KeyShares } from "./key-shares.ts";
import { Semaphore } from "./semaphore.ts";

/** The maximum number of large bodies in memory, each from its first byte to the end of the response. */
export const maxLargeBodies = 16;

/**
 * Bounds the memory of large request bodies. A body becomes a message of its size or, with many numbers, some megabytes
 * more, which is held until the response, and half a million objects while it is parsed. So at most `maxLargeBodies` are
 * in memory, of which one key has a share, and only one is parsed at a time. Permits are released at the end of the
 * response at the latest.
 */
export class LargeBodies {
  readonly #shares: KeyShares;
  readonly #bodies = new Semaphore(() => maxLargeBodies);
  readonly #parser = new Semaphore(() => 1);

  constructor(shares: KeyShares) {
    this.#shares = shares;
  }

  /** Resolves when the body of a request with this key may be read. */
  async acquire(res: ServerResponse, keyHash: string | undefined): Promise<void> {
    await this.#shares.acquire(keyHash);
    onceClosed(res, () => this.#shares.release(keyHash));
    await this.#bodies.acquire();
    onceClosed(res, () => this.#bodies.release());
  }

  /** Waits until the body may be parsed; resolves to a function that releases the parser. */
  async acquireParser(res: ServerResponse): Promise<() => void> {
    await this.#parser.acquire();
    let isHeld = true;
    const release = () => {
      if (isHeld) this.#parser.release();
      isHeld = false;
    };
    onceClosed(res, release);
    return release;
  }
}

/** Calls `act` when the response closes, or at once if it is closed. */
function onceClosed(res: ServerResponse, act: () => void): void {
  if (res.closed) act();
  else res.once("close", act);
}
