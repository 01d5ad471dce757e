import { createHash } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { Code, ConnectError } from "@connectrpc/connect";
import { withReadOptions } from "../grpc/index.ts";
import type { MessageMemory } from "../grpc/index.ts";
import type { WriteJson, WrittenJson } from "../http/write-json.ts";
import { isTerminal } from "../mapping/job-state.ts";
import { eventToJson, readWorkflowStatus } from "../mapping/workflow-event.ts";
import type { EventJson } from "../mapping/workflow-event.ts";
import type { WorkflowTranscoders } from "../mapping/workflow.ts";
import type { RequestCallOptions } from "../orchestrator/call-options.ts";
import type { OrchestratorClient } from "../orchestrator/client.ts";
import { isRetryable } from "./retry-policy.ts";
import type { RetryPolicy } from "./retry-policy.ts";
import { TerminalDetection } from "./terminal-detection.ts";
import { createTerminalSearch } from "./terminal-search.ts";
import type { TerminalSearch } from "./terminal-search.ts";
import { openUpstreamStream, UpstreamEvent } from "./upstream-stream.ts";
import type { UpstreamStream } from "./upstream-stream.ts";

/** An event as clients get it. Holds memory until it is disposed of, and has no text afterwards. */
export class SourceEvent implements Disposable {
  readonly kind = "event";
  readonly name: EventJson["name"];
  /** The client's new resume point; undefined leaves it as it is. */
  readonly id: bigint | undefined;
  readonly #json: WrittenJson;
  readonly #bytesBeforeTime: number;

  constructor(id: bigint | undefined, { name, bytesBeforeTime }: EventJson, json: WrittenJson) {
    this.name = name;
    this.id = id;
    this.#json = json;
    this.#bytesBeforeTime = bytesBeforeTime;
  }

  /** The JSON of the WorkflowEvent on one line, in pieces; empty after disposal. */
  get data(): readonly Uint8Array[] {
    return this.#json.pieces();
  }

  /**
   * A hash of the JSON, without the time of the event. Two updates that differ only in the order of their maps have the
   * same hash.
   */
  digest(): string {
    const hash = createHash("sha256");
    let rest = this.#bytesBeforeTime;
    for (const piece of this.data) {
      hash.update(piece.subarray(0, rest));
      rest = Math.max(0, rest - piece.length);
    }
    return hash.digest("base64");
  }

  [Symbol.dispose](): void {
    this.#json[Symbol.dispose]();
  }
}

/** An item of a source: an event, an event of a kind that this version of the contract does not have, or the end. */
export type SourceItem =
  | SourceEvent
  | { readonly kind: "unknown" }
  | {
      readonly kind: "end";
      /** Whether the last workflow update of the source is a terminal one. */
      readonly isAfterTerminalEvent: boolean;
    };

interface SourceParts {
  readonly fromEventId: bigint;
  readonly openStream: (fromEventId: bigint) => UpstreamStream;
  readonly createSearch: () => TerminalSearch;
  /** The timeout for an event that is known to exist, in milliseconds. */
  readonly eventTimeoutMs: number;
  readonly writeJson: WriteJson;
  readonly transcoders: WorkflowTranscoders;
  /** The owner of the events' text while it waits for memory. */
  readonly owner: string | undefined;
  readonly retryPolicy: RetryPolicy;
  /**
   * Whether a failed stream may be opened again; false until the response headers are sent, so that the failure can set
   * the status. A stream that ends early is opened again in any case.
   */
  readonly mayRetry: () => boolean;
  /** Aborts when the client disconnects. */
  readonly signal: AbortSignal;
}

interface SourceOptions extends Pick<
  SourceParts,
  "fromEventId" | "writeJson" | "transcoders" | "owner" | "retryPolicy" | "mayRetry"
> {
  /** Separate memory for the events of a search: the stream may hold an event meanwhile, whose memory others wait for. */
  readonly searchMemory: MessageMemory;
}

/** Opens the events of `workflowId` that the caller of `call` may see; rejects with the orchestrator's error. */
export function openEventSource(
  client: OrchestratorClient,
  workflowId: string,
  call: RequestCallOptions,
  { searchMemory, ...options }: SourceOptions,
): Promise<WorkflowEventSource> {
  const eventTimeoutMs = call.timeoutMs;

  function createSearch(): TerminalSearch {
    const contextValues = withReadOptions({ memory: searchMemory }, call.contextValues);
    return createTerminalSearch({
      async readWorkflow() {
        using workflow = await client.getWorkflow({ workflowId }, call);
        return readWorkflowStatus(workflow.bytes);
      },
      openStream: (fromEventId) =>
        openUpstreamStream(client, workflowId, fromEventId, { ...call, contextValues }),
      idleTimeoutMs: options.retryPolicy.idleTimeoutMs,
      eventTimeoutMs,
    });
  }

  return WorkflowEventSource.open({
    ...options,
    openStream: (fromEventId) => openUpstreamStream(client, workflowId, fromEventId, call),
    createSearch,
    eventTimeoutMs,
    signal: call.signal,
  });
}

/**
 * The events of one workflow for one client, pulled: each event after `fromEventId` once (0: a snapshot first), until the
 * workflow is terminal and has no more events. When a stream of the orchestrator is lost or ends early, the source opens
 * another one at the last event.
 */
export class WorkflowEventSource implements AsyncDisposable {
  readonly #parts: SourceParts;
  readonly #detection: TerminalDetection;
  #stream: UpstreamStream | undefined;
  #lastEventId: bigint;
  /** The digest of the last snapshot. */
  #lastSnapshot: string | undefined;
  /** Retries since the last event. */
  #retries = 0;

  private constructor(parts: SourceParts) {
    const { createSearch, retryPolicy, eventTimeoutMs } = parts;
    this.#parts = parts;
    this.#detection = new TerminalDetection(createSearch, {
      idleTimeoutMs: retryPolicy.idleTimeoutMs,
      eventTimeoutMs,
    });
    this.#lastEventId = parts.fromEventId;
  }

  /** Reads the workflow before a resume, because an orchestrator may keep a stream open that starts after the last event. */
  static async open(parts: SourceParts): Promise<WorkflowEventSource> {
    const source = new WorkflowEventSource(parts);
    if (parts.fromEventId > 0n) await source.#detection.refreshPhase();
    return source;
  }

  /** Whether the workflow may still change. */
  get isFollowing(): boolean {
    return this.#detection.isFollowing;
  }

  /**
   * The next item; the caller disposes of an event. Rejects with the orchestrator's error when it is fatal, when a retry
   * is not allowed, and after the last retry.
   */
  async next(): Promise<SourceItem> {
    const { openStream, mayRetry } = this.#parts;
    for (;;) {
      try {
        const stream = (this.#stream ??= openStream(this.#lastEventId));
        // Awaited in this function alone: thousands of streams wait, and each async function would hold memory.
        const event = await this.#detection.next(stream);
        if (event instanceof UpstreamEvent) {
          const item = await this.#itemFrom(event);
          if (item === undefined) continue;
          this.#retries = 0;
          return item;
        }
        await this[Symbol.asyncDispose]();
        if (event === "complete" || (await this.#detection.hasAllEvents(stream, this.#lastEventId)))
          return { kind: "end", isAfterTerminalEvent: this.#detection.isAfterTerminalEvent };
        await this.#backOff(endsTooEarly());
      } catch (error) {
        await this[Symbol.asyncDispose]();
        if (!isRetryable(error) || !mayRetry()) throw error;
        await this.#backOff(error);
      }
    }
  }

  /** Closes the stream of the orchestrator. */
  async [Symbol.asyncDispose](): Promise<void> {
    const stream = this.#stream;
    this.#stream = undefined;
    await stream?.[Symbol.asyncDispose]();
  }

  /** Waits before the next try; rejects with `reason` after the last one. */
  async #backOff(reason: unknown): Promise<void> {
    const { retryPolicy, signal } = this.#parts;
    if (this.#retries >= retryPolicy.maxRetries) throw reason;
    await delay(retryPolicy.backoffMs(this.#retries), undefined, { signal });
    this.#retries += 1;
  }

  /** Turns an event into an item; undefined if the client already has the event. */
  async #itemFrom(upstreamEvent: UpstreamEvent): Promise<SourceItem | undefined> {
    using event = upstreamEvent;
    const { eventId, update } = event;
    const { createSearch, writeJson, transcoders, owner } = this.#parts;
    const isStored = eventId > 0n;
    if (isStored && eventId <= this.#lastEventId) return undefined;
    let id = isStored ? eventId : undefined;
    // Without a resume point, the client of a terminal workflow would subscribe again for ever. The JSON is written after
    // the search, because it holds memory and the search may take long.
    if (!isStored && update !== undefined && isTerminal(update.state)) {
      id = await createSearch().resumePointAfter(update);
    }
    const json = eventToJson(event.bytes, transcoders);
    const text = json && (await writeJson(json, event.bytes, owner));
    const item = json && text && new SourceEvent(id, json, text);
    if (!isStored && update !== undefined && item !== undefined) {
      const snapshot = item.digest();
      // A stream that is lost before any stored event is opened from 0 again, and repeats the snapshot.
      if (snapshot === this.#lastSnapshot) {
        item[Symbol.dispose]();
        return undefined;
      }
      this.#lastSnapshot = snapshot;
    }
    this.#lastEventId = id ?? this.#lastEventId;
    if (update !== undefined) this.#detection.recordUpdate(update);
    return item ?? { kind: "unknown" };
  }
}

function endsTooEarly(): ConnectError {
  return new ConnectError(
    "the orchestrator repeatedly ended the stream before the workflow was terminal",
    Code.Unavailable,
  );
}
