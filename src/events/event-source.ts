import { createHash } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { Code, ConnectError } from "@connectrpc/connect";
import { withReadOptions } from "../grpc/index.ts";
import type { MessageMemory } from "../grpc/index.ts";
import type { WriteJson, WrittenJson } from "../http/write-json.ts";
import { isTerminal } from "../mapping/job-state.ts";
import { eventToJson, readWorkflowStatus } from "../mapping/workflow-event.ts";
import type { EventJson } from "../mapping/workflow-event.ts";
import type { RequestCallOptions } from "../orchestrator/call-options.ts";
import type { OrchestratorClient } from "../orchestrator/client.ts";
import { isRetryable } from "./retry-policy.ts";
import type { RetryPolicy } from "./retry-policy.ts";
import { TerminalDetection } from "./terminal-detection.ts";
import { createTerminalSearch } from "./terminal-search.ts";
import { openUpstreamStream } from "./upstream-stream.ts";
import type { UpstreamEvent, UpstreamStream } from "./upstream-stream.ts";

/** An event as clients get it. Its memory counts until it is disposed of; nothing of its text is kept then. */
export class SourceEvent implements Disposable {
  readonly kind = "event";
  readonly name: EventJson["name"];
  /** Where a client that has this event resumes; undefined leaves its resume point as it is. */
  readonly id: bigint | undefined;
  readonly #json: WrittenJson;
  #data: readonly Uint8Array[];

  constructor(id: bigint | undefined, { name, before, after }: EventJson, json: WrittenJson) {
    this.name = name;
    this.id = id;
    this.#json = json;
    this.#data = [Buffer.from(before), ...json.segments(), Buffer.from(after)];
  }

  /** The JSON of the WorkflowEvent on one line, in pieces; none once it is disposed of. */
  get data(): readonly Uint8Array[] {
    return this.#data;
  }

  /** Equal for two updates with the same JSON, in whatever order their maps came; of one length, however large they are. */
  digest(): string {
    const hash = createHash("sha256");
    for (const segment of this.#data.slice(1, -1)) hash.update(segment);
    return hash.digest("base64");
  }

  [Symbol.dispose](): void {
    this.#data = [];
    this.#json[Symbol.dispose]();
  }
}

/**
 * What a source brings: an event; that there was one of a kind that this version of the contract does not know; or the
 * end, behind which nothing more comes.
 */
export type SourceItem =
  | SourceEvent
  | { readonly kind: "unknown" }
  | {
      readonly kind: "end";
      /** Whether the last workflow update that the source has brought is a terminal one. */
      readonly isAfterTerminalEvent: boolean;
    };

/** What a source is made of. */
interface SourceParts {
  readonly fromEventId: bigint;
  readonly openStream: (fromEventId: bigint) => UpstreamStream;
  readonly detection: TerminalDetection;
  readonly writeJson: WriteJson;
  /** Whose text the events are, where it waits for memory. */
  readonly owner: string | undefined;
  readonly retryPolicy: RetryPolicy;
  /** Whether a lost stream may be opened again. Before a response has begun, the first failure is its status instead. */
  readonly mayRetry: () => boolean;
  /** Aborts when the client leaves. */
  readonly signal: AbortSignal;
}

/**
 * The events of one workflow for one client, pulled: those after `fromEventId` (0: a snapshot first), each once, until
 * the workflow is terminal and nothing more will come. A stream of the orchestrator that is lost, or that ends early, is
 * opened again at the last event.
 */
export class WorkflowEventSource implements AsyncDisposable {
  readonly #parts: SourceParts;
  #stream: UpstreamStream | undefined;
  #lastEventId: bigint;
  /** The digest of the last snapshot. */
  #lastSnapshot: string | undefined;
  /** Retries since the last event. */
  #retries = 0;

  private constructor(parts: SourceParts) {
    this.#parts = parts;
    this.#lastEventId = parts.fromEventId;
  }

  /** Opens it. Reads the workflow before a resume: not every upstream ends a stream that is opened behind the last event. */
  static async open(parts: SourceParts): Promise<WorkflowEventSource> {
    if (parts.fromEventId > 0n) await parts.detection.readStatus();
    return new WorkflowEventSource(parts);
  }

  /** Whether the workflow is not known to be terminal. */
  get isFollowing(): boolean {
    return this.#parts.detection.isFollowing;
  }

  /**
   * The next item; the caller disposes of an event. Rejects with the orchestrator's error when it is fatal, when it may
   * not be retried, and after the last retry.
   */
  async next(): Promise<SourceItem> {
    const { retryPolicy, mayRetry, signal } = this.#parts;
    for (;;) {
      const isLastTry = this.#retries >= retryPolicy.maxRetries;
      try {
        const item = await this.#read();
        if (item !== undefined) return item;
        if (isLastTry) throw endsTooEarly();
      } catch (error) {
        await this[Symbol.asyncDispose]();
        if (isLastTry || !isRetryable(error) || !mayRetry()) throw error;
      }
      await delay(retryPolicy.backoffMs(this.#retries), undefined, { signal });
      this.#retries += 1;
    }
  }

  /** Closes the stream of the orchestrator. */
  async [Symbol.asyncDispose](): Promise<void> {
    const stream = this.#stream;
    this.#stream = undefined;
    await stream?.[Symbol.asyncDispose]();
  }

  /** The next item of the open stream, or of one that is opened; undefined when it ends too early. */
  async #read(): Promise<SourceItem | undefined> {
    const { openStream, detection } = this.#parts;
    const stream = (this.#stream ??= openStream(this.#lastEventId));
    for (;;) {
      const event = await detection.next(stream);
      if (event === undefined) break;
      const item = await this.#take(event);
      if (item === undefined) continue;
      this.#retries = 0;
      return item;
    }
    await this[Symbol.asyncDispose]();
    const isOver = await detection.isOver(stream, this.#lastEventId);
    return isOver ? { kind: "end", isAfterTerminalEvent: detection.isAfterTerminalEvent } : undefined;
  }

  /** Turns an event into an item; undefined where the client has it already. */
  async #take(upstreamEvent: UpstreamEvent): Promise<SourceItem | undefined> {
    using event = upstreamEvent;
    const { eventId, update } = event;
    const { detection } = this.#parts;
    const isStored = eventId > 0n;
    if (isStored && eventId <= this.#lastEventId) return undefined;
    let id = isStored ? eventId : undefined;
    // Without a resume point, the client of a finished workflow would subscribe again for ever. The search may take long,
    // so that the text is not written, and held, before it.
    if (!isStored && update !== undefined && isTerminal(update.state)) {
      id = await detection.resumePointAfter(update);
    }
    const item = await this.#write(event.bytes, id);
    if (!isStored && update !== undefined && item !== undefined) {
      const snapshot = item.digest();
      // A stream that is opened again before any stored event begins with its snapshot once more.
      if (snapshot === this.#lastSnapshot) {
        item[Symbol.dispose]();
        return undefined;
      }
      this.#lastSnapshot = snapshot;
    }
    this.#lastEventId = id ?? this.#lastEventId;
    if (update !== undefined) detection.deliver(update);
    return item ?? { kind: "unknown" };
  }

  /** The event as clients get it; undefined for an unknown kind. */
  async #write(bytes: Uint8Array, id: bigint | undefined): Promise<SourceEvent | undefined> {
    const { writeJson, owner } = this.#parts;
    const event = eventToJson(bytes);
    if (event === undefined) return undefined;
    return new SourceEvent(id, event, await writeJson(event.update, event.bytes, owner, event));
  }
}

function endsTooEarly(): ConnectError {
  return new ConnectError(
    "the orchestrator keeps ending the stream before the workflow's end",
    Code.Unavailable,
  );
}

interface SourceOptions extends Pick<
  SourceParts,
  "fromEventId" | "writeJson" | "owner" | "retryPolicy" | "mayRetry"
> {
  /** Memory for events that are searched: the stream may hold one of its own meanwhile, which others wait for. */
  readonly searchMemory: MessageMemory;
}

/** Opens the events of `workflowId` as the caller of `call` may see them; rejects with the orchestrator's error. */
export function openEventSource(
  client: OrchestratorClient,
  workflowId: string,
  call: RequestCallOptions,
  { searchMemory, ...options }: SourceOptions,
): Promise<WorkflowEventSource> {
  const { idleTimeoutMs } = options.retryPolicy;
  const timeouts = { idleTimeoutMs, callTimeoutMs: call.timeoutMs };

  async function readWorkflow() {
    using workflow = await client.getWorkflow({ workflowId }, call);
    return readWorkflowStatus(workflow.bytes);
  }

  const search = createTerminalSearch({
    readWorkflow,
    openStream(fromEventId) {
      const contextValues = withReadOptions({ memory: searchMemory }, call.contextValues);
      return openUpstreamStream(client, workflowId, fromEventId, { ...call, contextValues });
    },
    ...timeouts,
  });
  const detection = new TerminalDetection(search, timeouts);
  return WorkflowEventSource.open({
    ...options,
    openStream: (fromEventId) => openUpstreamStream(client, workflowId, fromEventId, call),
    detection,
    signal: call.signal,
  });
}
