import type { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import { isTerminal } from "../mapping/job-state.ts";
import type { WorkflowStatus } from "../mapping/workflow-event.ts";
import { canBeRetried } from "./terminal-search.ts";
import type { TerminalSearch, TerminalStatus } from "./terminal-search.ts";
import type { UpstreamEvent, UpstreamStream } from "./upstream-stream.ts";

/** The workflow is not known to be terminal: its next event may take any time. */
interface Following {
  readonly name: "following";
}

/** The workflow is terminal, and stored events are still to come: each may take as long as any response. */
interface Replaying {
  readonly name: "replaying";
  readonly terminal: TerminalStatus;
}

/**
 * How far a client's stream is from its end. `terminal`: the client has a terminal event, behind which only a short
 * silence is waited for; when another update follows, the phase is `previous` again. `over`: nothing more will come.
 */
type Phase =
  | Following
  | Replaying
  | { readonly name: "terminal"; readonly state: JobState; readonly previous: Following | Replaying }
  | { readonly name: "over" };

/** The longest waits for an event, in milliseconds. */
interface Timeouts {
  /** Where there may be no more. */
  readonly idleTimeoutMs: number;
  /** Where there is one. */
  readonly callTimeoutMs: number;
}

/** Decides when a client's stream is over, and how long the next event is waited for until then. */
export class TerminalDetection {
  readonly #search: TerminalSearch;
  readonly #timeouts: Timeouts;
  #phase: Phase = { name: "following" };
  #isAfterTerminalEvent = false;

  constructor(search: TerminalSearch, timeouts: Timeouts) {
    this.#search = search;
    this.#timeouts = timeouts;
  }

  /** Whether the workflow is not known to be terminal. */
  get isFollowing(): boolean {
    return this.#phase.name === "following";
  }

  /** Whether the last workflow update that the client has is a terminal one. */
  get isAfterTerminalEvent(): boolean {
    return this.#isAfterTerminalEvent;
  }

  /** Reads whether the workflow is terminal, and begins the phase that follows from it. */
  async readStatus(): Promise<TerminalStatus | undefined> {
    const terminal = await this.#search.readStatus();
    this.#phase = terminal === undefined ? { name: "following" } : { name: "replaying", terminal };
    return terminal;
  }

  /** The next event of `stream`; undefined when it has ended, and when it is idle for as long as the phase allows. */
  next(stream: UpstreamStream): Promise<UpstreamEvent | undefined> {
    const { idleTimeoutMs, callTimeoutMs } = this.#timeouts;
    const phase = this.#phase;
    if (phase.name === "terminal") return stream.next(idleTimeoutMs);
    if (phase.name !== "replaying") return stream.next();
    return stream.eventCount === 0 ? this.#first(stream, phase.terminal) : stream.next(callTimeoutMs);
  }

  /** Records that the client gets a workflow update. */
  deliver({ state }: WorkflowStatus): void {
    this.#isAfterTerminalEvent = isTerminal(state);
    const phase = this.#phase;
    if (phase.name === "over") return;
    const previous = phase.name === "terminal" ? phase.previous : phase;
    this.#phase = this.#isAfterTerminalEvent ? { name: "terminal", state, previous } : previous;
  }

  /**
   * Whether the client's stream is over, now that `stream` has brought no event: `lastEventId` is the last event that the
   * client has. Where it is not, the phase follows from what the orchestrator then reports.
   */
  async isOver(stream: UpstreamStream, lastEventId: bigint): Promise<boolean> {
    const phase = this.#phase;
    if (phase.name === "over") return true;
    // A failure that is replayed may have been retried since.
    const isOld = stream.fromEventId > 0n && phase.name === "terminal" && canBeRetried(phase.state);
    if (phase.name === "terminal" && !isOld) return true;
    const terminal = await this.readStatus();
    return terminal !== undefined && (await this.#search.isLastEvent(lastEventId, terminal));
  }

  resumePointAfter(snapshot: WorkflowStatus): Promise<bigint> {
    return this.#search.resumePointAfter(snapshot);
  }

  /** The first event of a replay. Behind the terminal event there is none, which is to be known early: it means 204. */
  async #first(stream: UpstreamStream, terminal: TerminalStatus): Promise<UpstreamEvent | undefined> {
    const { idleTimeoutMs, callTimeoutMs } = this.#timeouts;
    const isAtEnd = this.#search.isTerminalEvent(stream.fromEventId, terminal);
    // Unused when an event comes.
    isAtEnd.catch(() => undefined);
    const event =
      (await stream.next(idleTimeoutMs)) ?? (await stream.next((await isAtEnd) ? 0 : callTimeoutMs));
    if (event === undefined && (await isAtEnd)) this.#phase = { name: "over" };
    return event;
  }
}
