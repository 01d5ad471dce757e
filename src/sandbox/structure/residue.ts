import { placeAtom, type Vector } from "./vector.ts";

/** The backbone atoms of one residue. */
export interface Residue {
  readonly n: Vector;
  readonly ca: Vector;
  readonly c: Vector;
  readonly o: Vector;
}

/** The two free torsions of a residue, in degrees. */
export interface Torsions {
  readonly phi: number;
  readonly psi: number;
}

/** Lengths in Å and angles in degrees of a relaxed peptide; they hardly vary between proteins. */
const bonds = { nCa: 1.458, caC: 1.525, cN: 1.329, cO: 1.231 };
const angles = { nCaC: 111, caCN: 116.6, cNCa: 121.7, caCO: 120.5 };
const trans = 180;

function carbonyl(n: Vector, ca: Vector, c: Vector, psi: number): Vector {
  return placeAtom(n, ca, c, bonds.cO, angles.caCO, psi + 180);
}

/** A residue at the origin, to start a chain from. */
export function firstResidue({ psi }: Torsions): Residue {
  const n: Vector = [0, 0, 0];
  const ca: Vector = [bonds.nCa, 0, 0];
  const c = placeAtom([0, 1, 0], n, ca, bonds.caC, angles.nCaC, trans);
  return { n, ca, c, o: carbonyl(n, ca, c, psi) };
}

/** The residue that follows `previous`, whose psi is `previousPsi`, across a trans peptide bond. */
export function nextResidue(previous: Residue, previousPsi: number, { phi, psi }: Torsions): Residue {
  const n = placeAtom(previous.n, previous.ca, previous.c, bonds.cN, angles.caCN, previousPsi);
  const ca = placeAtom(previous.ca, previous.c, n, bonds.nCa, angles.cNCa, trans);
  const c = placeAtom(previous.c, n, ca, bonds.caC, angles.nCaC, phi);
  return { n, ca, c, o: carbonyl(n, ca, c, psi) };
}
