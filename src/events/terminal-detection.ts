import type { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import { isTerminal } from "../mapping/job-state.ts";
import type { WorkflowStatus } from "../mapping/workflow-event.ts";
import { canBeRetried } from "./terminal-search.ts";
import type { TerminalSearch } from "./terminal-search.ts";
import type { UpstreamEvent, UpstreamStream } from "./upstream-stream.ts";

/** The workflow may still change: its next event may take any time. */
interface Following {
  readonly name: "following";
}

/** The workflow is terminal, and its stored events are being replayed: each must arrive within `eventTimeoutMs`. */
interface Replaying {
  readonly name: "replaying";
  readonly terminal: WorkflowStatus;
}

/**
 * Determines the timeout for the next event. In `terminal`, the client has a terminal event, and another one must arrive
 * within `idleTimeoutMs`. A workflow update that is not terminal returns to the phase `previous`.
 */
type Phase =
  | Following
  | Replaying
  | { readonly name: "terminal"; readonly state: JobState; readonly previous: Following | Replaying };

/** The timeouts for an event, in milliseconds. */
interface Timeouts {
  /** When the last event may already have been sent. */
  readonly idleTimeoutMs: number;
  /** When at least one more event is known to exist. */
  readonly eventTimeoutMs: number;
}

/** Decides when a client's stream is complete and, until then, how long to wait for the next event. */
export class TerminalDetection {
  readonly #createSearch: () => TerminalSearch;
  readonly #timeouts: Timeouts;
  #phase: Phase = { name: "following" };
  #isAfterTerminalEvent = false;

  /** Most streams need no search until they end. */
  constructor(createSearch: () => TerminalSearch, timeouts: Timeouts) {
    this.#createSearch = createSearch;
    this.#timeouts = timeouts;
  }

  /** Whether the workflow may still change. */
  get isFollowing(): boolean {
    return this.#phase.name === "following";
  }

  /** Whether the last workflow update that the client has is a terminal one. */
  get isAfterTerminalEvent(): boolean {
    return this.#isAfterTerminalEvent;
  }

  /** Reads the terminal status of the workflow, and sets the phase that follows from it. */
  async refreshPhase(): Promise<WorkflowStatus | undefined> {
    const terminal = await this.#createSearch().readStatus();
    this.#phase = terminal === undefined ? { name: "following" } : { name: "replaying", terminal };
    return terminal;
  }

  /**
   * The next event of `stream`; undefined when it has ended, or is idle for longer than the phase allows, and `complete`
   * when the client is known to have all events.
   */
  next(stream: UpstreamStream): Promise<UpstreamEvent | "complete" | undefined> {
    const { idleTimeoutMs, eventTimeoutMs } = this.#timeouts;
    const phase = this.#phase;
    if (phase.name === "terminal") return stream.next(idleTimeoutMs);
    if (phase.name === "following") return stream.next();
    return stream.eventCount === 0 ? this.#readFirst(stream, phase.terminal) : stream.next(eventTimeoutMs);
  }

  /**
   * Whether the client has all events when `stream` has no next one; `lastEventId` is the last one that it has. If not,
   * sets the phase by the present status of the workflow.
   */
  async hasAllEvents({ fromEventId }: UpstreamStream, lastEventId: bigint): Promise<boolean> {
    const phase = this.#phase;
    // A replayed FAILED event may since have been followed by a retry.
    const mayHaveBeenRetried = fromEventId > 0n && phase.name === "terminal" && canBeRetried(phase.state);
    if (phase.name === "terminal" && !mayHaveBeenRetried) return true;
    const terminal = await this.refreshPhase();
    return terminal !== undefined && (await this.#createSearch().isLastEvent(lastEventId, terminal));
  }

  /** Records that the client gets a workflow update. */
  recordUpdate({ state }: WorkflowStatus): void {
    const phase = this.#phase;
    const previous = phase.name === "terminal" ? phase.previous : phase;
    this.#isAfterTerminalEvent = isTerminal(state);
    this.#phase = this.#isAfterTerminalEvent ? { name: "terminal", state, previous } : previous;
  }

  /**
   * Reads the first event of a replay. If the client already has the terminal event there is none; that is detected
   * quickly, so that the response can be 204.
   */
  async #readFirst(
    stream: UpstreamStream,
    terminal: WorkflowStatus,
  ): Promise<UpstreamEvent | "complete" | undefined> {
    const { idleTimeoutMs, eventTimeoutMs } = this.#timeouts;
    const atEnd = this.#createSearch().isTerminalEvent(stream.fromEventId, terminal);
    // Handles the rejection: when an event arrives first, nobody awaits it.
    atEnd.catch(() => undefined);
    const event =
      (await stream.next(idleTimeoutMs)) ?? (await stream.next((await atEnd) ? 0 : eventTimeoutMs));
    return event ?? ((await atEnd) ? "complete" : undefined);
  }
}
