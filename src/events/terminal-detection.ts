import type { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import { isTerminal } from "../mapping/job-state.ts";
import type { WorkflowStatus } from "../mapping/workflow-event.ts";
import { canBeRetried } from "./terminal-search.ts";
import type { TerminalSearch, TerminalStatus } from "./terminal-search.ts";
import { UpstreamEvent } from "./upstream-stream.ts";
import type { UpstreamStream } from "./upstream-stream.ts";

/** The workflow may still change: its next event may take any time. */
interface Following {
  readonly name: "following";
}

/** The workflow is terminal, and its stored events are being replayed: each must arrive within `callTimeoutMs`. */
interface Replaying {
  readonly name: "replaying";
  readonly terminal: TerminalStatus;
}

/**
 * How long the next event is waited for. `terminal`: the client has a terminal event; another event must arrive within
 * `idleTimeoutMs`. A workflow update that is not terminal restores the phase before, `previous`.
 */
type Phase =
  | Following
  | Replaying
  | { readonly name: "terminal"; readonly state: JobState; readonly previous: Following | Replaying };

/** The longest waits for an event, in milliseconds. */
interface Timeouts {
  /** The wait when the last event may already have been sent. */
  readonly idleTimeoutMs: number;
  /** The wait when at least one more event is known to exist. */
  readonly callTimeoutMs: number;
}

/**
 * Why an upstream stream has no next event. `over`: the client has all events of a terminal workflow. `ended-early`: more
 * events may follow on another stream.
 */
export type StreamOutcome = "over" | "ended-early";

/** Decides when a client's stream is over and, until then, how long to wait for the next event. */
export class TerminalDetection {
  readonly #search: TerminalSearch;
  readonly #timeouts: Timeouts;
  #phase: Phase = { name: "following" };
  #isAfterTerminalEvent = false;

  constructor(search: TerminalSearch, timeouts: Timeouts) {
    this.#search = search;
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
  async refreshPhase(): Promise<TerminalStatus | undefined> {
    const terminal = await this.#search.readStatus();
    this.#phase = terminal === undefined ? { name: "following" } : { name: "replaying", terminal };
    return terminal;
  }

  /**
   * The next event of `stream`. When the stream has ended, or is idle for too long, closes it and resolves to the reason.
   * `lastEventId` is the last event that the client has.
   */
  async next(stream: UpstreamStream, lastEventId: bigint): Promise<UpstreamEvent | StreamOutcome> {
    const event = await this.#read(stream);
    if (event instanceof UpstreamEvent) return event;
    await stream[Symbol.asyncDispose]();
    if (event === "over") return event;
    return (await this.#isOver(stream.fromEventId, lastEventId)) ? "over" : "ended-early";
  }

  /** Records that the client gets a workflow update. */
  recordUpdate({ state }: WorkflowStatus): void {
    const phase = this.#phase;
    const previous = phase.name === "terminal" ? phase.previous : phase;
    this.#isAfterTerminalEvent = isTerminal(state);
    this.#phase = this.#isAfterTerminalEvent ? { name: "terminal", state, previous } : previous;
  }

  /** Undefined when the stream has ended, or is idle for longer than the phase allows. */
  #read(stream: UpstreamStream): Promise<UpstreamEvent | "over" | undefined> {
    const { idleTimeoutMs, callTimeoutMs } = this.#timeouts;
    const phase = this.#phase;
    if (phase.name === "terminal") return stream.next(idleTimeoutMs);
    if (phase.name === "following") return stream.next();
    return stream.eventCount === 0 ? this.#readFirst(stream, phase.terminal) : stream.next(callTimeoutMs);
  }

  /**
   * Reads the first event of a replay. If the client already has the terminal event there is none; that is detected
   * quickly, so that the response can be 204.
   */
  async #readFirst(
    stream: UpstreamStream,
    terminal: TerminalStatus,
  ): Promise<UpstreamEvent | "over" | undefined> {
    const { idleTimeoutMs, callTimeoutMs } = this.#timeouts;
    const atEnd = this.#search.isTerminalEvent(stream.fromEventId, terminal);
    // Handles the rejection: when an event arrives first, nobody awaits it.
    atEnd.catch(() => undefined);
    const event =
      (await stream.next(idleTimeoutMs)) ?? (await stream.next((await atEnd) ? 0 : callTimeoutMs));
    return event ?? ((await atEnd) ? "over" : undefined);
  }

  /** Whether the client has all events. If not, sets the phase by the present status of the workflow. */
  async #isOver(fromEventId: bigint, lastEventId: bigint): Promise<boolean> {
    const phase = this.#phase;
    // A replayed FAILED event may since have been followed by a retry.
    const mayHaveBeenRetried = fromEventId > 0n && phase.name === "terminal" && canBeRetried(phase.state);
    if (phase.name === "terminal" && !mayHaveBeenRetried) return true;
    const terminal = await this.refreshPhase();
    return terminal !== undefined && (await this.#search.isLastEvent(lastEventId, terminal));
  }
}
