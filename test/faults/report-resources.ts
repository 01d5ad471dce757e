/**
 * For a gateway's process, to be imported before its main: writes a line to its log that counts what keeps it alive
 * whenever it gets a SIGUSR2.
 */
process.on("SIGUSR2", function reportResources() {
  const counts: Record<string, number> = {};
  for (const kind of process.getActiveResourcesInfo()) counts[kind] = (counts[kind] ?? 0) + 1;
  process.stdout.write(`${JSON.stringify({ event: "test.resources", counts })}\n`);
});
