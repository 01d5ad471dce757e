import type { IncomingMessage, ServerResponse } from "node:http";
import { Code } from "@connectrpc/connect";
import onHeaders from "on-headers";
import { HttpError } from "../errors/http-error.ts";
import { errorText } from "../errors/error-response.ts";
import type { RequestKind } from "../telemetry/gauges.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { Metrics, SharedLimit } from "../telemetry/metrics.ts";
import { createThrottledWarning } from "../telemetry/rate-limited-warnings.ts";
import { createConcurrencyLimit } from "./concurrency-limit.ts";
import type { KeyShares } from "./key-shares.ts";
import { Semaphore } from "./semaphore.ts";

interface LoadSheddingOptions {
  /** The maximum number of requests in flight of each kind. */
  readonly maxInFlight: number;
  /** Creates the per-key shares of a limit. */
  readonly createKeyShares: (of: SharedLimit, limit: () => number) => KeyShares;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** The permits that a request in flight holds: one of its kind and, once its key is known, one of the key's share. */
interface Permit {
  readonly kind: RequestKind;
  keyHash: string | undefined;
  isHeld: boolean;
  release(): void;
}

/** Limits the requests in flight. */
export interface LoadShedding {
  /** Calls `serve`, or responds 503 when too many requests of this kind are in flight. Always serves without a kind. */
  shed(req: IncomingMessage, res: ServerResponse, kind: RequestKind | undefined, serve: () => void): void;
  /**
   * Counts a request against its key's share of the requests of its kind, until the request's permit is released.
   * Throws 429 when the key holds its share.
   */
  acquireShare(res: ServerResponse, keyHash: string | undefined): void;
  /**
   * Releases the permit of a request before the wait that its client has requested. Returns a function that acquires a
   * permit again.
   */
  suspend(res: ServerResponse): () => Promise<void>;
  /** The number of requests in flight of each kind. */
  inFlight(): Readonly<Record<RequestKind, number>>;
  /** The present limit of each kind. */
  limit(): number;
}

/**
 * Builds the load shedding. A request above the limit gets a prepared 503 with `Retry-After` before any work is done for
 * it. A request is in flight until its response begins, so an open event stream does not count. Event streams have a
 * separate limit, so that other requests do not cause their rejection: an EventSource does not reconnect after a 503.
 * Requests with a body have one, too: some clients take long to send the body, and other requests must not wait for
 * that. One warning a second reports the number of rejected requests.
 */
export function createLoadShedding({
  maxInFlight,
  createKeyShares,
  logger,
  metrics,
}: LoadSheddingOptions): LoadShedding {
  const limit = createConcurrencyLimit(maxInFlight);
  const wholeLimit = () => Math.ceil(limit());
  const reject = createRejection(logger, metrics);
  const semaphores = {
    event_stream: new Semaphore(limit),
    with_body: new Semaphore(limit),
    other: new Semaphore(limit),
  } satisfies Record<RequestKind, Semaphore>;
  const shares = {
    event_stream: createKeyShares("requests_event_stream", wholeLimit),
    with_body: createKeyShares("requests_with_body", wholeLimit),
    other: createKeyShares("requests_other", wholeLimit),
  } satisfies Record<RequestKind, KeyShares>;
  const permits = new WeakMap<ServerResponse, Permit>();

  /** Stores an acquired permit; releases it when the response begins or its connection closes. */
  function addPermit(res: ServerResponse, kind: RequestKind, keyHash?: string): Permit {
    const permit: Permit = {
      kind,
      keyHash,
      isHeld: true,
      release() {
        if (!permit.isHeld) return;
        permit.isHeld = false;
        shares[kind].release(permit.keyHash);
        semaphores[kind].release();
      },
    };
    permits.set(res, permit);
    onHeaders(res, permit.release);
    res.once("close", permit.release);
    return permit;
  }

  return {
    shed(req, res, kind, serve) {
      if (kind !== undefined) {
        if (!semaphores[kind].tryAcquire()) return reject(req, res, kind);
        addPermit(res, kind);
      }
      serve();
    },
    acquireShare(res, keyHash) {
      const permit = permits.get(res);
      // After the client has left, nothing would release the share.
      if (permit?.isHeld !== true) return;
      shares[permit.kind].acquireOrThrow(keyHash);
      permit.keyHash = keyHash;
    },
    suspend(res) {
      const permit = permits.get(res);
      permit?.release();
      return async function resume() {
        if (permit === undefined) return;
        const { kind, keyHash } = permit;
        // The key's share comes first, so that at most a share of the waiters for the semaphore have one key.
        await shares[kind].acquire(keyHash);
        await semaphores[kind].acquire();
        const resumed = addPermit(res, kind, keyHash);
        // No event follows when the client has left already.
        if (res.destroyed) resumed.release();
      };
    },
    inFlight: () => ({
      event_stream: semaphores.event_stream.held,
      with_body: semaphores.with_body.held,
      other: semaphores.other.held,
    }),
    limit: wholeLimit,
  };
}

/** Creates a function that sends a prepared 503: under overload, each rejection must cost little. */
function createRejection(
  logger: Logger,
  metrics: Metrics,
): (req: IncomingMessage, res: ServerResponse, kind: RequestKind) => void {
  const { status, headers, text } = errorText(
    new HttpError(Code.Unavailable, "the gateway has more requests than it can serve; try again soon"),
    { safeToRepeat: true },
  );
  // Node writes a flat list of headers as it is, without a check of each name.
  const headerList = Object.entries(headers).flat();
  const warn = createThrottledWarning(logger, "requests.shed");

  return function reject(req, res, kind) {
    warn();
    metrics.countUnrouted(status, req.method);
    metrics.countShed(kind);

    const respond = () => res.writeHead(status, headerList).end(text);
    // A body that arrives together with its headers is read by the end of this turn, and the connection can stay open.
    if (req.headers["content-length"] === undefined) respond();
    else setImmediate(respond);
  };
}
