import type { IncomingMessage, ServerResponse } from "node:http";
import { Code } from "@connectrpc/connect";
import onHeaders from "on-headers";
import { HttpError } from "../errors/http-error.ts";
import { errorText } from "../errors/error-response.ts";
import type { RequestKind } from "../telemetry/gauges.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { Metrics, SharedLimit } from "../telemetry/metrics.ts";
import { createThrottledWarning } from "../telemetry/rate-limited-warnings.ts";
import { requestIdHeader, traceContextFrom } from "../telemetry/trace-context.ts";
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

/** Counts a request as in flight, until its response begins or its connection closes. */
export interface Permit {
  /**
   * Counts the request against its key's share of the requests of its kind, too. Throws 429 when the key holds its
   * share.
   */
  acquireShare(keyHash: string | undefined): void;
  /**
   * Releases the permit before the wait that the client has requested. Returns a function that acquires it again, with
   * the share.
   */
  suspend(): () => Promise<void>;
}

/** Limits the requests in flight. */
export interface LoadShedding {
  /**
   * Calls `serve`, or responds 503 when too many requests of this kind are in flight. Always serves without a kind, and
   * then without a permit.
   */
  shed(
    req: IncomingMessage,
    res: ServerResponse,
    kind: RequestKind | undefined,
    serve: (permit?: Permit) => void,
  ): void;
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

  return {
    shed(req, res, kind, serve) {
      if (kind === undefined) return serve();
      if (!semaphores[kind].tryAcquire()) return reject(req, res, kind);
      serve(createPermit(res, semaphores[kind], shares[kind]));
    },
    inFlight: () => ({
      event_stream: semaphores.event_stream.held,
      with_body: semaphores.with_body.held,
      other: semaphores.other.held,
    }),
    limit: wholeLimit,
  };
}

/** Creates the permit of a request for which `semaphore` is acquired. */
function createPermit(res: ServerResponse, semaphore: Semaphore, shares: KeyShares): Permit {
  let isHeld = true;
  let shareOf: string | undefined;

  function release(): void {
    if (!isHeld) return;
    isHeld = false;
    shares.release(shareOf);
    semaphore.release();
  }

  onHeaders(res, release);
  res.on("close", release);
  return {
    acquireShare(keyHash) {
      // After the client has disconnected, nothing would release the share.
      if (!isHeld) return;
      shares.acquireOrThrow(keyHash);
      shareOf = keyHash;
    },
    suspend() {
      release();
      return async function resume() {
        // The key's share comes first, so that at most a share of the waiters for the semaphore have one key.
        await shares.acquire(shareOf);
        await semaphore.acquire();
        isHeld = true;
        // No event follows when the client has disconnected already.
        if (res.destroyed) release();
      };
    },
  };
}

/** Creates a function that sends a prepared 503: under overload, each rejection must cost little. */
function createRejection(
  logger: Logger,
  metrics: Metrics,
): (req: IncomingMessage, res: ServerResponse, kind: RequestKind) => void {
  const { status, headers, text } = errorText(
    new HttpError(Code.Unavailable, "the gateway has more requests than it can serve; try again soon"),
    { isIdempotent: true },
  );
  // Node writes a flat list of headers as it is, without a check of each name.
  const headerList = Object.entries(headers).flat();
  const warn = createThrottledWarning(logger, "requests.shed");

  return function reject(req, res, kind) {
    warn();
    metrics.countUnmatched(status, req.method);
    metrics.countShed(kind);

    const { traceparent } = req.headers;
    const { traceId } = traceContextFrom(
      typeof traceparent === "string" ? traceparent : undefined,
      undefined,
    );
    const respond = () => res.writeHead(status, [...headerList, requestIdHeader, traceId]).end(text);
    // A body that arrives together with its headers is read by the end of this iteration, and the connection can stay open.
    if (req.headers["content-length"] === undefined) respond();
    else setImmediate(respond);
  };
}
