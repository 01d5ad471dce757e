import { amount } from "./amounts.ts";

/** Workflows of the list that is read to its end. */
export const listed = amount(78, 20);

/** Updates that each event stream gets. */
export const updates = 5;
