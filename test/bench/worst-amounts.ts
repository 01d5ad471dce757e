import { amount } from "./amounts.ts";

/** The size of each workflow, as a part of the worst that there may be. */
export const share = amount(1, 0.001);

/** Workflows of the list that is read to its end; small ones take two pages. */
export const listed = amount(78, 120);

/** Updates that each event stream gets. */
export const updates = 5;
