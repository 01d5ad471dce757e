import { getHeapSpaceStatistics } from "node:v8";

/** Preloaded into a gateway under fuzz: tells over IPC, when it is asked, how much memory is still in use, in bytes. */
process.on("message", (message) => {
  if (message !== "memory") return;
  // What the first collection finalises, the next one frees.
  for (let round = 0; round < 3; round += 1) globalThis.gc?.();
  process.send?.({ bytes: objectBytes() + process.memoryUsage().arrayBuffers });
});
// Neither is the channel a reason to live on, nor does the gateway outlive the fuzz.
process.channel?.unref();
process.once("disconnect", () => process.exit(0));

/** Objects and strings, without code, which comes and goes as V8 compiles. */
function objectBytes(): number {
  return getHeapSpaceStatistics()
    .filter(({ space_name: name }) => !/code|trusted|read_only/.test(name))
    .reduce((sum, { space_used_size: size }) => sum + size, 0);
}
