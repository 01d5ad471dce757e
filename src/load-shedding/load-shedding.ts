import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import { Code } from "@connectrpc/connect";
import onHeaders from "on-headers";
import { errorResponse } from "../errors/error-response.ts";
import { HttpError } from "../errors/http-error.ts";
import type { RequestKind } from "../telemetry/gauges.ts";
import type { SharedLimit } from "../telemetry/http-metrics.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { createThrottledWarning } from "../telemetry/throttled-warning.ts";
import { hasBody } from "../http/has-body.ts";
import { createConcurrencyLimit } from "./concurrency-limit.ts";
import type { KeyShares } from "./key-shares.ts";
import { Semaphore } from "./semaphore.ts";

interface OverloadOptions {
  /** Most requests at once whose answers have not begun. */
  readonly maxInFlight: number;
  /** Paths that are always served: under overload, health and metrics are needed most. */
  readonly exempt: readonly string[];
  /** Path templates that answer with an event stream. */
  readonly streams: readonly string[];
  /** Creates what bounds each API key to its share of a limit. */
  readonly sharesOf: (of: SharedLimit, limit: () => number) => KeyShares;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** A request that holds a place, and the key that holds it, once that is known. */
interface Holder {
  readonly kind: RequestKind;
  keyHash: string | undefined;
  isHeld: boolean;
  leave(): void;
}

/** Keeps the requests in flight within a bound. */
export interface LoadShedding {
  /** A listener that passes on to `listener` as many requests as can be answered soon. */
  shed(listener: RequestListener): RequestListener;
  /**
   * Acquires one of a key's share of the requests of the same kind; it is released with the place of the request.
   * Throws the 429 of a key that holds its share.
   */
  acquireShare(res: ServerResponse, keyHash: string | undefined): void;
  /**
   * Gives the place of a request free, which is about to wait because its client wants that; what it returns takes one
   * again, as soon as there is one.
   */
  suspend(res: ServerResponse): () => Promise<void>;
  /** How many of each kind are in flight. */
  inFlight(): Readonly<Record<RequestKind, number>>;
  /** How many of one kind may be, at present. */
  limit(): number;
}

/**
 * Passes on as many requests at once as can be answered soon, and refuses the others before anything is done for
 * them: 503, `Retry-After`, the same bytes to all. What has begun to be answered, such as an event stream, does not
 * count. Those who ask for an event stream have as many places of their own, and so are not refused because of other
 * requests: an EventSource that is refused once does not come back. So have those who send a body: some take long to
 * send it, and nobody else is to wait for that. One warning a second tells how many were refused.
 */
export function createLoadShedding({
  maxInFlight,
  exempt,
  streams,
  sharesOf,
  logger,
  metrics,
}: OverloadOptions): LoadShedding {
  const limit = createConcurrencyLimit(maxInFlight);
  const wholeLimit = () => Math.ceil(limit());
  const refuse = createRefusal(logger, metrics);
  const kindOf = createKindOf(exempt, streams);
  const places = {
    event_stream: new Semaphore(limit),
    with_body: new Semaphore(limit),
    other: new Semaphore(limit),
  } satisfies Record<RequestKind, Semaphore>;
  const shares = {
    event_stream: sharesOf("requests_event_stream", wholeLimit),
    with_body: sharesOf("requests_with_body", wholeLimit),
    other: sharesOf("requests_other", wholeLimit),
  } satisfies Record<RequestKind, KeyShares>;
  const holders = new WeakMap<ServerResponse, Holder>();

  function holdUntilAnswered(res: ServerResponse, kind: RequestKind, keyHash?: string): Holder {
    const holder: Holder = {
      kind,
      keyHash,
      isHeld: true,
      leave() {
        if (!holder.isHeld) return;
        holder.isHeld = false;
        shares[kind].release(holder.keyHash);
        places[kind].release();
      },
    };
    holders.set(res, holder);
    onHeaders(res, holder.leave);
    // There may be no answer.
    res.once("close", holder.leave);
    return holder;
  }

  return {
    shed: (listener) =>
      function shedOverload(req, res) {
        const kind = kindOf(req);
        if (kind !== undefined) {
          if (!places[kind].tryAcquire()) return refuse(req, res, kind);
          holdUntilAnswered(res, kind);
        }
        listener(req, res);
      },
    acquireShare(res, keyHash) {
      const holder = holders.get(res);
      // A client that has left meanwhile will not release it.
      if (holder?.isHeld !== true) return;
      shares[holder.kind].acquireOrThrow(keyHash);
      holder.keyHash = keyHash;
    },
    suspend(res) {
      const holder = holders.get(res);
      holder?.leave();
      return async function resume() {
        if (holder === undefined) return;
        const { kind, keyHash } = holder;
        // Its key's share first, so that at most a share of those who wait for a place are of one key.
        await shares[kind].acquire(keyHash);
        await places[kind].acquire();
        const back = holdUntilAnswered(res, kind, keyHash);
        // A client that has left meanwhile will not give it free.
        if (res.destroyed) back.leave();
      };
    },
    inFlight: () => ({
      event_stream: places.event_stream.held,
      with_body: places.with_body.held,
      other: places.other.held,
    }),
    limit: wholeLimit,
  };
}

/** A function to tell which kind of place a request takes; undefined where it takes none. */
function createKindOf(
  exempt: readonly string[],
  streams: readonly string[],
): (req: IncomingMessage) => RequestKind | undefined {
  const stream = new RegExp(`^(?:${streams.map((it) => it.replace(/\{\w+\}/g, "[^/]+")).join("|")})$`);

  return function kindOf(req) {
    const path = pathOf(req);
    if (exempt.includes(path)) return undefined;
    if (stream.test(path)) return "event_stream";
    return hasBody(req) ? "with_body" : "other";
  };
}

function pathOf({ url = "/" }: IncomingMessage): string {
  const query = url.indexOf("?");
  return query < 0 ? url : url.slice(0, query);
}

function createRefusal(
  logger: Logger,
  metrics: Metrics,
): (req: IncomingMessage, res: ServerResponse, kind: RequestKind) => void {
  const { status, headers, body } = errorResponse(
    new HttpError(Code.Unavailable, "the gateway has more requests than it can serve; try again soon"),
    { safeToRepeat: true },
  );
  const text = JSON.stringify(body);
  // Node sends a list as it is, without a look at each name.
  const list = Object.entries({
    "Content-Type": "application/json; charset=utf-8",
    "Content-Length": String(text.length),
    "X-Content-Type-Options": "nosniff",
    ...headers,
  }).flat();
  const warn = createThrottledWarning(logger, "gateway.shedding");

  return function refuse(req, res, kind) {
    warn();
    metrics.countRefusal(status, req.method);
    metrics.countShed(kind);

    const answer = () => res.writeHead(status, list).end(text);
    // A body that came along with its head has been read by the end of this turn, and its connection can stay.
    if (req.headers["content-length"] === undefined) answer();
    else setImmediate(answer);
  };
}
