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
  readonly ended?: ((code: string) => void) | undefined;
}

/** Is called once for each call; retries are not reported. */
export interface CallObserver {
  started(call: StartedCall): CallObservation;
}

/** One call as its observers see it. */
interface ObservedCall {
  /** The metadata of the call, and of its observers. */
  readonly metadata: MetadataInit | undefined;
  /** Notifies the observers of the end, once. */
  readonly ended: (code: string) => void;
}

/** Notifies all observers of a new call. A stream is open for long: of its observations, only `ended` is retained. */
export function observeCall(
  observers: readonly CallObserver[] | undefined,
  method: DescMethod,
  metadata: MetadataInit | undefined,
  contextValues = createContextValues(),
): ObservedCall {
  let all = metadata;
  let callbacks: readonly ((code: string) => void)[] = [];
  for (const observer of observers ?? []) {
    const { metadata: more, ended } = observer.started({ method, contextValues });
    if (more !== undefined) all = merged(all, more);
    // An array that is pushed to has room for many more.
    if (ended !== undefined) callbacks = callbacks.concat(ended);
  }
  return {
    metadata: all,
    ended(code) {
      const pending = callbacks;
      callbacks = [];
      for (const ended of pending) ended(code);
    },
  };
}

function merged(metadata: MetadataInit | undefined, more: Readonly<Record<string, string>>): MetadataInit {
  if (metadata === undefined) return more;
  const record = Symbol.iterator in metadata ? Object.fromEntries(new Headers(metadata)) : metadata;
  return { ...record, ...more };
}
