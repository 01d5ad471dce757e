import { Code, ConnectError } from "@connectrpc/connect";
import type { CallOptions } from "@connectrpc/connect";
import { OrchestratorService } from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import type { OrchestratorClient } from "./client.ts";

/** A call that is observed. */
export interface ObservedCall {
  /** What the call is to be made with. */
  readonly options: CallOptions | undefined;
  /** Told once, when the call is over: the canonical name of its code, such as OK or NOT_FOUND. */
  readonly end: (code: string) => void;
}

/** Hears that a call of `rpc`, a name of the service's, such as GetWorkflow, begins with these options. */
export type ObserveCall = (rpc: string, options: CallOptions | undefined) => ObservedCall;

type Call = (input: unknown, options?: CallOptions) => Promise<unknown>;
type Stream = (input: unknown, options?: CallOptions) => AsyncIterable<unknown>;

/**
 * A client whose every call is observed, from its first byte to its last: a stream until it ends, breaks or is left,
 * which is CANCELLED as for any call that this side gives up.
 */
export function observedClient(next: OrchestratorClient, observe: ObserveCall): OrchestratorClient {
  const observed = OrchestratorService.methods.map(({ localName, name, methodKind }) => {
    const method = next[localName as keyof OrchestratorClient];
    return [
      localName,
      methodKind === "unary"
        ? observedUnary(method as Call, name, observe)
        : observedStream(method as Stream, name, observe),
    ];
  });
  return Object.fromEntries(observed) as OrchestratorClient;
}

function observedUnary(next: Call, rpc: string, observe: ObserveCall): Call {
  return function callObserved(input, given) {
    const { options, end } = observe(rpc, given);
    const answer = next(input, options);
    answer.then(
      () => end("OK"),
      (error: unknown) => end(codeNameOf(error)),
    );
    return answer;
  };
}

/** The call begins when its messages are iterated. */
function observedStream(next: Stream, rpc: string, observe: ObserveCall): Stream {
  return (input, given) => ({
    [Symbol.asyncIterator]() {
      const { options, end } = observe(rpc, given);
      try {
        return new ObservedMessages(next(input, options)[Symbol.asyncIterator](), end);
      } catch (error) {
        end(codeNameOf(error));
        throw error;
      }
    },
  });
}

/** An object rather than a generator: thousands are open at once. */
class ObservedMessages implements AsyncIterator<unknown> {
  readonly #messages: AsyncIterator<unknown>;
  /** Undefined once it was told. */
  #end: ((code: string) => void) | undefined;
  readonly #came = (result: IteratorResult<unknown>) => {
    if (result.done === true) this.#tell("OK");
  };
  readonly #failed = (error: unknown) => this.#tell(codeNameOf(error));

  constructor(messages: AsyncIterator<unknown>, end: (code: string) => void) {
    this.#messages = messages;
    this.#end = end;
  }

  next(): Promise<IteratorResult<unknown>> {
    const next = this.#messages.next();
    next.then(this.#came, this.#failed);
    return next;
  }

  async return(): Promise<IteratorResult<unknown>> {
    this.#tell("CANCELLED");
    await this.#messages.return?.();
    return { done: true, value: undefined };
  }

  #tell(code: string): void {
    this.#end?.(code);
    this.#end = undefined;
  }
}

/** The canonical names of gRPC's codes; Connect spells one of them otherwise. */
const codeNames: ReadonlyMap<Code, string> = new Map(
  Object.entries(Code).flatMap(([name, code]) =>
    typeof code === "string"
      ? []
      : [
          [
            code,
            name
              .replace("Canceled", "Cancelled")
              .replace(/\B[A-Z]/g, "_$&")
              .toUpperCase(),
          ],
        ],
  ),
);

/** What is no error of a call, and no code of gRPC, is UNKNOWN. */
function codeNameOf(error: unknown): string {
  return codeNames.get(ConnectError.from(error).code) ?? "UNKNOWN";
}
