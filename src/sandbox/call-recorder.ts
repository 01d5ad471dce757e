import type { Interceptor } from "@connectrpc/connect";

/** The calls so far, by the name of the RPC. */
export interface CallRecorder {
  readonly calls: ReadonlyMap<string, number>;
  /** The metadata of the latest call. */
  readonly lastMetadata: ReadonlyMap<string, Headers>;
  /** How many streams are being served. */
  readonly openStreams: number;
  readonly interceptor: Interceptor;
}

/** The interceptor of the recorder sees a call before the service does. */
export function createCallRecorder(): CallRecorder {
  const calls = new Map<string, number>();
  const lastMetadata = new Map<string, Headers>();
  let openStreams = 0;

  async function* counted<T>(messages: AsyncIterable<T>): AsyncGenerator<T> {
    openStreams += 1;
    try {
      yield* messages;
    } finally {
      openStreams -= 1;
    }
  }

  return {
    calls,
    lastMetadata,
    get openStreams() {
      return openStreams;
    },
    interceptor: (next) =>
      async function record(req) {
        calls.set(req.method.name, (calls.get(req.method.name) ?? 0) + 1);
        lastMetadata.set(req.method.name, new Headers(req.header));
        const res = await next(req);
        return res.stream ? { ...res, message: counted(res.message) } : res;
      },
  };
}
