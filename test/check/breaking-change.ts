/** A change of a contract that breaks programs made for the contract before it. */
export interface BreakingChange {
  /** File and, where it is known, line. */
  readonly source: string;
  /** Where and what: `WorkflowSpec.name: maxLength was 256 and is 128`. The changelog names it by this text. */
  readonly change: string;
  /** What clients lose, and the operations whose clients lose it; empty if `change` says it all. */
  readonly loss: string;
}
