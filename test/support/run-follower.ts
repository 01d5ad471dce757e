import assert from "node:assert/strict";
import { createParser } from "eventsource-parser";
import type { EventSourceMessage } from "eventsource-parser";
import { eventIds, storedLabel } from "./live-run.ts";

/**
 * What a client has received of a `LiveRun` over several connections: every stored event once, in order. A snapshot may
 * replace many of them. It has no id, so a client that has received nothing else subscribes from 0 and gets another one,
 * as does a client whose stream the gateway had to begin again. A client that has a stored event never gets one.
 */
export class RunFollower {
  #known = 0;
  #lastEventId: string | undefined;
  #isFresh = true;
  readonly #received: string[] = [];

  /** The resume point; undefined if it subscribes from 0. */
  get lastEventId(): string | undefined {
    return this.#lastEventId;
  }

  /** How many of the run's events it has received. */
  get known(): number {
    return this.#known;
  }

  /** The data of the received events, in order. */
  get received(): readonly string[] {
    return this.#received;
  }

  /** Begins a connection; returns a function that takes the received bytes. */
  connect(): (bytes: Uint8Array) => void {
    this.#isFresh = this.#lastEventId === undefined;
    const parser = createParser({ onEvent: (event) => this.take(event) });
    const decoder = new TextDecoder();
    return (bytes) => parser.feed(decoder.decode(bytes, { stream: true }));
  }

  /** Takes an event of the connection; throws when it is neither the next one nor an allowed snapshot. */
  take({ id, event, data }: EventSourceMessage): void {
    const isNext = id === String(eventIds[this.#known]);
    if (this.#isFresh || (this.#lastEventId === undefined && !isNext)) this.#takeSnapshot(id, data);
    else {
      assert.ok(isNext, `event ${id} after ${this.#known} events of ${eventIds.join()}`);
      const isOfWorkflow = this.#known === 0 || this.#known === eventIds.length - 1;
      assert.equal(event, isOfWorkflow ? "workflow_update" : "step_update");
      this.#received.push(data);
      this.#known += 1;
    }
    this.#isFresh = false;
    this.#lastEventId = id ?? this.#lastEventId;
  }

  #takeSnapshot(id: string | undefined, data: string): void {
    const stored = Number(JSON.parse(data).workflow_update.labels[storedLabel]);
    assert.ok(stored >= this.#known, `a snapshot after ${this.#known} events that holds only ${stored}`);
    assert.equal(id, stored === eventIds.length ? String(eventIds.at(-1)) : undefined);
    this.#known = stored;
  }
}
