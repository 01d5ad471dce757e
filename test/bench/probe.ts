/** Preloaded into every measured process: tells what it has used so far when it is asked over IPC. */
import type { Usage } from "./processes.ts";

process.on("message", (message) => {
  if (message !== "usage") return;
  const { user, system } = process.cpuUsage();
  const usage: Usage = { cpuMicros: user + system, residentBytes: process.memoryUsage.rss() };
  process.send?.({ usage });
});
process.once("disconnect", () => process.exit(0));
