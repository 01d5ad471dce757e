import { startProxy } from "../demo/support.ts";

/** Returns where a chunk of a response is cut; undefined for one that passes whole. */
export type Break = (chunk: Buffer) => number | undefined;

/** Starts a proxy whose connections break at one place after the other. */
export async function startBreakingNetwork(url: string, ...places: readonly Break[]) {
  const left = [...places];
  let bytesDown = 0;
  const proxy = await startProxy(url, (chunk, cut) => {
    const end = left[0]?.(chunk);
    if (end !== undefined) {
      left.shift();
      cut();
    }
    const passed = chunk.subarray(0, end);
    bytesDown += passed.length;
    return passed;
  });
  return {
    ...proxy,
    /** The places where no connection has broken yet. */
    left,
    /** Counts the bytes of responses that pass while `act` runs. */
    async bytesDuring(act: () => Promise<unknown>): Promise<number> {
      const before = bytesDown;
      await act();
      return bytesDown - before;
    },
  };
}
