import { Code, ConnectError } from "@connectrpc/connect";
import { hostAndPort } from "./address.ts";
import type { ResolvedAddress } from "./address.ts";
import { Picker } from "./picker.ts";
import type { StreamOpener } from "./session.ts";
import { Subchannel } from "./subchannel.ts";
import type { SubchannelOptions } from "./subchannel.ts";

type ChannelOptions = Pick<
  SubchannelOptions,
  "createConnection" | "keepalive" | "userAgent" | "logger" | "onLost" | "onKeepaliveRejected"
>;

/** Distributes calls over equivalent servers. */
export class Channel {
  /** For unary calls. */
  readonly calls: StreamOpener;
  /** For server streams, which have separate sessions. */
  readonly streams: StreamOpener;
  readonly #options: SubchannelOptions;
  readonly #picker = new Picker<Subchannel>();
  #byAddress: ReadonlyMap<string, Subchannel> = new Map();
  #subchannels: readonly Subchannel[] = [];
  /** Subchannels without new calls that still have calls in progress. */
  #shutDown: readonly Subchannel[] = [];

  /** Creates a channel without subchannels; `update` sets them. */
  constructor(options: ChannelOptions) {
    this.#options = {
      ...options,
      hasOthers: () => this.#subchannels.length > 1,
      hasReadyOther: (subchannel) =>
        this.#subchannels.some(
          (other) => other !== subchannel && other.state === "ready" && !other.isUnresponsive,
        ),
      onReady: () => {
        for (const other of this.#subchannels) if (other.state !== "ready") other.failWaitingStreams();
      },
    };
    this.calls = this.#opener("calls");
    this.streams = this.#opener("streams");
  }

  /** The number of subchannels, and of those that are ready. */
  get count(): { readonly all: number; readonly ready: number } {
    const ready = this.#subchannels.filter(({ state }) => state === "ready");
    return { all: this.#subchannels.length, ready: ready.length };
  }

  /** Sends new calls to `addresses`. Calls in progress on other servers continue there. */
  update(addresses: readonly ResolvedAddress[]): void {
    const before = this.#byAddress;
    const subchannelOf = (address: ResolvedAddress) =>
      before.get(hostAndPort(address)) ?? new Subchannel(address, this.#options);
    const now = new Map(addresses.map((address) => [hostAndPort(address), subchannelOf(address)]));
    const gone = [...before].filter(([address]) => !now.has(address)).map(([, subchannel]) => subchannel);
    for (const subchannel of gone) subchannel.shutDown();
    this.#shutDown = [...this.#shutDown, ...gone].filter(({ sessions }) => sessions > 0);
    this.#byAddress = now;
    this.#subchannels = [...now.values()];
    // A single subchannel connects at its first call.
    if (now.size > 1) for (const subchannel of this.#subchannels) subchannel.connect();
  }

  /** Closes every session after its last stream; new calls connect again, with the current certificates. */
  drainSessions(): void {
    for (const subchannel of this.#subchannels) subchannel.drainSessions();
  }

  /** Closes every session at once. */
  close(): void {
    for (const subchannel of [...this.#subchannels, ...this.#shutDown]) subchannel.close();
  }

  #opener(kind: "calls" | "streams"): StreamOpener {
    const maxAttempts = () => {
      const { length } = this.#subchannels;
      // With several servers, two attempts each and one more: a server that has just restarted may refuse a connection.
      return length > 1 ? 2 * length + 1 : 2;
    };
    return {
      get maxAttempts() {
        return maxAttempts();
      },
      open: (request, listener, onDedicatedSession) =>
        this.#pick()[kind].open(request, listener, onDedicatedSession),
    };
  }

  #pick(): Subchannel {
    const subchannel = this.#picker.pick(this.#subchannels);
    if (subchannel === undefined) throw new ConnectError("no server is known", Code.Unavailable);
    return subchannel;
  }
}
