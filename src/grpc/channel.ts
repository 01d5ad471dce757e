import { Code, ConnectError } from "@connectrpc/connect";
import { addressOf } from "./address.ts";
import type { Target } from "./address.ts";
import { Picker } from "./picker.ts";
import type { StreamOpener } from "./session.ts";
import { Subchannel } from "./subchannel.ts";
import type { SubchannelOptions } from "./subchannel.ts";

type ChannelOptions = Pick<SubchannelOptions, "keepalive" | "logger" | "onLost" | "onKeepaliveRejected">;

/** Distributes calls over servers that can stand in for each other. */
export class Channel {
  /** For unary calls. */
  readonly calls: StreamOpener;
  /** For server streams, which have sessions of their own. */
  readonly streams: StreamOpener;
  readonly #options: SubchannelOptions;
  readonly #picker = new Picker<Subchannel>();
  #byAddress: ReadonlyMap<string, Subchannel> = new Map();
  #subchannels: readonly Subchannel[] = [];
  /** Those that take no more calls, and still carry some. */
  #shutDown: readonly Subchannel[] = [];

  /** Has no servers until `update`. */
  constructor(options: ChannelOptions) {
    this.#options = {
      ...options,
      hasOthers: () => this.#subchannels.length > 1,
      hasReadyOther: (subchannel) =>
        this.#subchannels.some(
          (other) => other !== subchannel && other.state === "ready" && !other.isSuspect,
        ),
      onReady: () => {
        for (const other of this.#subchannels) if (other.state !== "ready") other.releaseWaiting();
      },
    };
    this.calls = this.#opener("calls");
    this.streams = this.#opener("streams");
  }

  /** How many subchannels there are, and how many of them are ready. */
  get count(): { readonly all: number; readonly ready: number } {
    const ready = this.#subchannels.filter(({ state }) => state === "ready");
    return { all: this.#subchannels.length, ready: ready.length };
  }

  /** New calls go to `targets`; those in progress on other servers end there. */
  update(targets: readonly Target[]): void {
    const before = this.#byAddress;
    const subchannelOf = (target: Target) =>
      before.get(addressOf(target)) ?? new Subchannel(target, this.#options);
    const now = new Map(targets.map((target) => [addressOf(target), subchannelOf(target)]));
    const gone = [...before].filter(([address]) => !now.has(address)).map(([, subchannel]) => subchannel);
    for (const subchannel of gone) subchannel.shutDown();
    this.#shutDown = [...this.#shutDown, ...gone].filter(({ sessions }) => sessions > 0);
    this.#byAddress = now;
    this.#subchannels = [...now.values()];
    // A single one is connected to when it is called.
    if (now.size > 1) for (const subchannel of this.#subchannels) subchannel.connect();
  }

  /** Ends every session with its last stream; new calls connect again, with the certificates of that time. */
  drainSessions(): void {
    for (const subchannel of this.#subchannels) subchannel.drainSessions();
  }

  /** Ends every session at once. */
  close(): void {
    for (const subchannel of [...this.#subchannels, ...this.#shutDown]) subchannel.close();
  }

  #opener(kind: "calls" | "streams"): StreamOpener {
    const maxAttempts = () => {
      const { length } = this.#subchannels;
      // Each of several twice: a connection to one that has just come back may still be about to be refused.
      return length > 1 ? 2 * length + 1 : 2;
    };
    return {
      get maxAttempts() {
        return maxAttempts();
      },
      open: (request, listener, isOnOwnSession) => this.#pick()[kind].open(request, listener, isOnOwnSession),
    };
  }

  #pick(): Subchannel {
    const subchannel = this.#picker.pick(this.#subchannels);
    if (subchannel === undefined) throw new ConnectError("no server is known", Code.Unavailable);
    return subchannel;
  }
}
