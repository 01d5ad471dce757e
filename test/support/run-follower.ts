import assert from "node:assert/strict";
import { createParser } from "eventsource-parser";
import type { EventSourceMessage } from "eventsource-parser";
import { eventIds, storedLabel } from "./live-run.ts";

/**
 * What a client knows of a `LiveRun`, from one connection to the next: every stored event, in order, each once.
 * A snapshot alone may stand for many of them. It has no id of its own: one who has seen nothing else subscribes
 * afresh and gets another, and so does one whose stream the gateway had to begin again; who has seen a stored
 * event never does.
 */
export class RunFollower {
  #known = 0;
  #lastEventId: string | undefined;
  #isFresh = true;
  readonly #received: string[] = [];

  /** Where it resumes; undefined where it subscribes afresh. */
  get lastEventId(): string | undefined {
    return this.#lastEventId;
  }

  /** How many of the run's events it knows. */
  get known(): number {
    return this.#known;
  }

  /** The data of the events that were sent to it, one by one, as they came. */
  get received(): readonly string[] {
    return this.#received;
  }

  /** Begins a connection; what is returned takes the bytes that it brings. */
  connect(): (bytes: Uint8Array) => void {
    this.#isFresh = this.#lastEventId === undefined;
    const parser = createParser({ onEvent: (event) => this.take(event) });
    const decoder = new TextDecoder();
    return (bytes) => parser.feed(decoder.decode(bytes, { stream: true }));
  }

  /** Takes an event of the connection; throws when it is neither the next one nor a snapshot that may come. */
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
