import type { Schema } from "./client.ts";
import { oneLine } from "./one-line.ts";

/** The output for progress. */
export interface Screen {
  write(text: string): void;
  /** Whether lines can be overwritten. */
  readonly live: boolean;
  /** Characters in a line. */
  columns(): number;
}

/** Shows the progress of the steps of a workflow. */
export interface Progress {
  /** Shows an event. */
  show(event: Schema["WorkflowEvent"]): void;
  /** Prints a line above the progress bars. */
  note(text: string): void;
}

const barLength = 30;

/** Shows one bar per step in place or, if lines cannot be overwritten, a line per change. */
export function createProgress(steps: readonly Schema["SubmittedStep"][], screen: Screen): Progress {
  const rows = new Map<string, string>();
  const statuses = new Map<string, Schema["StepStatus"]>();
  const idLength = Math.max(...steps.map(({ id }) => id.length));
  const toolLength = Math.max(...steps.map(({ tool }) => tool.length));
  let drawn = 0;

  function rowOf({ id, tool }: Schema["SubmittedStep"]): string {
    const status = statuses.get(id);
    const row = `${id.padEnd(idLength)}  ${tool.padEnd(toolLength)}  ${describe(status, screen.live)}`;
    // A line that wraps would take two lines of the screen.
    return screen.live ? row.slice(0, screen.columns() - 1) : row;
  }

  function draw(notes = "") {
    const back = drawn > 0 ? `\x1b[${drawn}A\x1b[J` : "";
    screen.write(back + notes + steps.map((step) => `${rowOf(step)}\n`).join(""));
    drawn = steps.length;
  }

  function printChanges() {
    for (const step of steps) {
      const row = rowOf(step);
      if (rows.get(step.id) !== row) screen.write(`${row}\n`);
      rows.set(step.id, row);
    }
  }

  return {
    show({ step_update, workflow_update }) {
      const updates = step_update === undefined ? (workflow_update?.step_statuses ?? []) : [step_update];
      for (const update of updates) statuses.set(update.step_id, update);
      if (screen.live) draw();
      else printChanges();
    },
    note(text) {
      if (screen.live) draw(`${text}\n`);
      else screen.write(`${text}\n`);
    },
  };
}

function describe(status: Schema["StepStatus"] | undefined, withBar: boolean): string {
  const { fraction = 0, state = "QUEUED", error } = status ?? {};
  const full = Math.round(fraction * barLength);
  const bar = withBar ? `${"█".repeat(full)}${"░".repeat(barLength - full)} ` : "";
  const percent = `${Math.floor(fraction * 100)}`.padStart(3);
  const reason = error === undefined ? "" : `: ${oneLine(error.message)}`;
  return `${bar}${percent} %  ${state}${reason}`;
}
