import assert from "node:assert/strict";
import type { Schema } from "../../src/demo/client.ts";
import { createProgress } from "../../src/demo/progress.ts";

const steps: Schema["SubmittedStep"][] = [
  { id: "design", tool: "rfdiffusion" },
  { id: "fold", tool: "af2" },
];

function update(step_id: string, fraction: number, state: Schema["JobState"], message?: string) {
  const error = message === undefined ? {} : { error: { code: "C", message, retryable: false } };
  const step_update = { step_id, state, fraction, outputs: [], sequences: [], ...error };
  return { workflow_id: "w", at: "2026-01-05T09:00:00Z", step_update };
}

/** A screen, and what is written to it. */
function createScreen(live: boolean, columns = 80) {
  const written: string[] = [];
  return { written, live, columns: () => columns, write: (text: string) => void written.push(text) };
}

describe("createProgress", () => {
  it("draws a bar per step, and draws over it", () => {
    const screen = createScreen(true);
    const progress = createProgress(steps, screen);
    progress.show(update("design", 0.5, "RUNNING"));
    progress.show(update("fold", 1, "SUCCEEDED"));
    const half = "█".repeat(15) + "░".repeat(15);
    const design = `design  rfdiffusion  ${half}  50 %  RUNNING\n`;
    assert.deepEqual(screen.written, [
      `${design}fold    af2          ${"░".repeat(30)}   0 %  QUEUED\n`,
      `\x1b[2A\x1b[J${design}fold    af2          ${"█".repeat(30)} 100 %  SUCCEEDED\n`,
    ]);
  });

  it("writes a note above the bars", () => {
    const screen = createScreen(true);
    const progress = createProgress(steps.slice(0, 1), screen);
    progress.show(update("design", 1, "SUCCEEDED"));
    progress.note("cut");
    assert.equal(screen.written[1], `\x1b[1A\x1b[Jcut\n${screen.written[0]}`);
  });

  it("never fills a line, which would wrap", () => {
    const screen = createScreen(true, 20);
    createProgress(steps, screen).show(update("design", 0, "FAILED", "x".repeat(200)));
    assert.deepEqual(
      screen.written[0]!.split("\n").map((line) => line.length),
      [19, 19, 0],
    );
  });

  it("writes a line per change if lines cannot be overwritten", () => {
    const screen = createScreen(false);
    const progress = createProgress(steps, screen);
    progress.show(update("design", 0.5, "RUNNING"));
    progress.show(update("design", 0.5, "RUNNING"));
    progress.show(update("design", 0.5, "FAILED", "out of\n\u001bmemory"));
    progress.note("cut");
    assert.deepEqual(screen.written, [
      "design  rfdiffusion   50 %  RUNNING\n",
      "fold    af2            0 %  QUEUED\n",
      "design  rfdiffusion   50 %  FAILED: out of memory\n",
      "cut\n",
    ]);
  });
});
