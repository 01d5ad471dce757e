import { residueName } from "./amino-acids.ts";
import type { Backbone } from "./backbone.ts";
import type { Vector } from "./vector.ts";

/** One backbone with the sequence that it carries and a B-factor for each residue. */
export interface Model {
  readonly backbone: Backbone;
  /** One-letter codes, one per residue. */
  readonly sequence: string;
  readonly bFactors: readonly number[];
}

/** One atom as structure files list it. */
export interface Atom {
  readonly serial: number;
  readonly name: "N" | "CA" | "C" | "O";
  readonly element: "N" | "C" | "O";
  readonly residueName: string;
  readonly residueNumber: number;
  readonly position: Vector;
  readonly bFactor: number;
}

/** The atoms of a model in file order, numbered from 1. */
export function* atomsFromModel({ backbone, sequence, bFactors }: Model): Generator<Atom> {
  let serial = 0;
  for (const [i, { n, ca, c, o }] of backbone.residues.entries()) {
    const residue = {
      residueName: residueName(sequence.charAt(i)),
      residueNumber: i + 1,
      bFactor: bFactors[i] ?? 0,
    };
    yield { serial: ++serial, name: "N", element: "N", position: n, ...residue };
    yield { serial: ++serial, name: "CA", element: "C", position: ca, ...residue };
    yield { serial: ++serial, name: "C", element: "C", position: c, ...residue };
    yield { serial: ++serial, name: "O", element: "O", position: o, ...residue };
  }
}
