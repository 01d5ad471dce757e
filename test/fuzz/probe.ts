import { getHeapSpaceStatistics } from "node:v8";

// Loads undici, as the first failed call does, which may come late: its 1 MB would be counted as growth.
void new Headers();

/** Preloaded into the gateway under fuzz: reports over IPC, on request, the memory in use, in bytes. */
process.on("message", (message) => {
  if (message !== "memory") return;
  // The memory of objects with finalizers is freed by the next collection.
  for (let round = 0; round < 3; round += 1) globalThis.gc?.();
  process.send?.({ bytes: objectBytes() + process.memoryUsage().arrayBuffers });
});
// The channel does not keep the process running, and the gateway does not outlive the fuzz.
process.channel?.unref();
process.once("disconnect", () => process.exit(0));

/** The bytes of objects and strings. Code is left out, as V8 compiles and discards it at any time. */
function objectBytes(): number {
  return getHeapSpaceStatistics()
    .filter(({ space_name: name }) => !/code|trusted|read_only/.test(name))
    .reduce((sum, { space_used_size: size }) => sum + size, 0);
}
