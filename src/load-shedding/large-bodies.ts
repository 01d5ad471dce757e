import type { ServerResponse } from "node:http";
import type { KeyShares } from "./key-shares.ts";
import { Semaphore } from "./semaphore.ts";

/** Most large bodies that are held at the same time, from their first byte to the end of the response. */
export const maxLargeBodies = 16;

/**
 * Bounds what large bodies take: a body of 1 MiB becomes a message of up to 4 MiB, which is held until it is answered, and
 * meanwhile half a million objects. No more than a few bodies are held at the same time, a share of them for one key, and
 * one of them is objects; the others wait. Each is given back at the end of its response at the latest.
 */
export class LargeBodies {
  readonly #shares: KeyShares;
  readonly #held = new Semaphore(() => maxLargeBodies);
  readonly #parsed = new Semaphore(() => 1);

  constructor(shares: KeyShares) {
    this.#shares = shares;
  }

  /** Resolves when the body of a request of this key may be read. */
  async acquire(res: ServerResponse, keyHash: string | undefined): Promise<void> {
    await this.#shares.acquire(keyHash);
    atEnd(res, () => this.#shares.release(keyHash));
    await this.#held.acquire();
    atEnd(res, () => this.#held.release());
  }

  /** Resolves when it may be parsed, to what ends that. */
  async acquireParser(res: ServerResponse): Promise<() => void> {
    await this.#parsed.acquire();
    let isParsed = true;
    const end = () => {
      if (isParsed) this.#parsed.release();
      isParsed = false;
    };
    atEnd(res, end);
    return end;
  }
}

/** A client may have left meanwhile. */
function atEnd(res: ServerResponse, act: () => void): void {
  if (res.closed) act();
  else res.once("close", act);
}
