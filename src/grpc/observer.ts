import type { DescMethod } from "@bufbuild/protobuf";
import { createContextValues } from "@connectrpc/connect";
import type { ContextValues } from "@connectrpc/connect";
import type { MetadataInit } from "./metadata.ts";

/** The call that an observer is notified of. */
export interface StartedCall {
  readonly method: DescMethod;
  readonly contextValues: ContextValues;
}

/** An observer's side of one call. */
export interface CallObservation {
  /** Metadata to send with the call; replaces metadata of the call with the same name. */
  readonly metadata?: Readonly<Record<string, string>> | undefined;
  /**
   * Called once, when the caller has received the outcome, with the canonical name of its code, such as OK or NOT_FOUND.
   * CANCELLED means that this side cancelled the call.
   */
  ended(code: string): void;
}

/** Is called once for each call; retries are not reported. */
export interface CallObserver {
  started(call: StartedCall): CallObservation;
}

const noObservations: readonly CallObservation[] = [];

/** Notifies all observers of one call. */
export class ObservedCall {
  readonly metadata: MetadataInit | undefined;
  #observations: readonly CallObservation[];

  constructor(
    observers: readonly CallObserver[] | undefined,
    method: DescMethod,
    metadata: MetadataInit | undefined,
    contextValues = createContextValues(),
  ) {
    this.#observations =
      observers?.map((observer) => observer.started({ method, contextValues })) ?? noObservations;
    let all = metadata;
    for (const { metadata: more } of this.#observations) if (more !== undefined) all = merged(all, more);
    this.metadata = all;
  }

  /** Notifies the observers, once. */
  ended(code: string): void {
    const observations = this.#observations;
    this.#observations = noObservations;
    for (const observation of observations) observation.ended(code);
  }
}

function merged(metadata: MetadataInit | undefined, more: Readonly<Record<string, string>>): MetadataInit {
  if (metadata === undefined) return more;
  const record = Symbol.iterator in metadata ? Object.fromEntries(new Headers(metadata)) : metadata;
  return { ...record, ...more };
}
