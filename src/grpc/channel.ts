import { Code, ConnectError } from "@connectrpc/connect";
import type { GrpcConnection } from "./session-pool.ts";
import { Subchannel } from "./subchannel.ts";
import type { SubchannelOptions } from "./subchannel.ts";
import { addressOf } from "./address.ts";
import type { GrpcTarget } from "./address.ts";

/** What speaks for a server, best first: calls go to those for which the best of it speaks that speaks for any. */
const merits = ["isLively", "isSound", "isReached", "isTrying"] as const satisfies (keyof Subchannel)[];

/**
 * Spreads calls over servers that can stand in for each other, in turn over those that are there. Where none is, they
 * go to those that are being connected, until one is there; or they try each, so that they fail with the reason.
 */
export class Channel {
  readonly calls: GrpcConnection;
  readonly streams: GrpcConnection;
  readonly #options: SubchannelOptions;
  #peers: ReadonlyMap<string, Subchannel> = new Map();
  #list: readonly Subchannel[] = [];
  /** Those that are there no more for new calls, and still carry some. */
  #retired: Subchannel[] = [];
  #turn = 0;

  /** Has no servers until it is told of some. */
  constructor(options: Omit<SubchannelOptions, "hasOthers" | "hasStandIn" | "onReached">) {
    this.#options = {
      ...options,
      hasOthers: () => this.#list.length > 1,
      hasStandIn: (server) => this.#list.some((other) => other !== server && other.isSound),
      onReached: () => {
        for (const server of this.#list) if (!server.isReached) server.giveBack();
      },
    };
    this.calls = this.#connection("calls");
    this.streams = this.#connection("streams");
  }

  /** How many servers there are, and how many of them were there when they were heard of last. */
  get count(): { readonly all: number; readonly reached: number } {
    const reached = this.#list.filter(({ isReached }) => isReached);
    return { all: this.#list.length, reached: reached.length };
  }

  /** Calls go to `targets` from now on; those under way on others end where they are. */
  update(targets: readonly GrpcTarget[]): void {
    const before = this.#peers;
    const server = (target: GrpcTarget) =>
      before.get(addressOf(target)) ?? new Subchannel(target, this.#options);
    const now = new Map(targets.map((target) => [addressOf(target), server(target)]));
    const left = [...before].filter(([address]) => !now.has(address)).map(([, gone]) => gone);
    for (const gone of left) gone.retire();
    this.#retired = [...this.#retired, ...left].filter(({ isIdle }) => !isIdle);
    this.#peers = now;
    this.#list = [...now.values()];
    // One alone is connected when it is called.
    if (now.size > 1) for (const one of this.#list) one.tryOut();
  }

  /** Ends every connection with its last stream; new calls connect anew. */
  renew(): void {
    for (const server of this.#list) server.renew();
  }

  close(): void {
    for (const server of [...this.#list, ...this.#retired]) server.close();
  }

  #connection(kind: "calls" | "streams"): GrpcConnection {
    // Each of several twice: of one that has just come back, a connection may still be about to be refused.
    const triesNow = () => (this.#list.length > 1 ? 2 * this.#list.length + 1 : 2);
    return {
      get tries() {
        return triesNow();
      },
      open: (headers, options) => this.#pick()[kind].open(headers, options),
    };
  }

  #pick(): Subchannel {
    const all = this.#list;
    const [only] = all;
    if (only !== undefined && all.length === 1) return only;
    const merit = merits.find((one) => all.some((server) => server[one]));
    const choice = merit === undefined ? all : all.filter((server) => server[merit]);
    this.#turn = (this.#turn + 1) % (1 << 30);
    const server = choice[this.#turn % choice.length];
    if (server === undefined) throw new ConnectError("no orchestrator is known", Code.Unavailable);
    return server;
  }
}
