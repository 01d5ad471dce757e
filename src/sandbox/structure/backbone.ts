import type { Random } from "../random.ts";
import { firstResidue, nextResidue, type Residue, type Torsions } from "./residue.ts";
import { add, centroid, distance, type Vector } from "./vector.ts";

/** A protein backbone; `helical[i]` tells whether residue i lies in a helix rather than in a loop. */
export interface Backbone {
  readonly residues: readonly Residue[];
  readonly helical: readonly boolean[];
}

interface Piece {
  readonly residues: readonly Residue[];
  readonly torsions: readonly Torsions[];
  readonly loop: number;
}

const helix: Torsions = { phi: -60, psi: -45 };
const loopBasins: readonly Torsions[] = [
  { phi: -120, psi: 130 },
  { phi: -70, psi: 145 },
  { phi: 57, psi: 40 },
  { phi: -65, psi: -40 },
];
/** How many pieces that fit are compared, out of how many that are tried. */
const wantedPieces = 16;
const triedPieces = 200;
/** How often a chain that has no way out is taken back, before it may cross itself. */
const maxRetreats = 200;

function jitter({ phi, psi }: Torsions, random: Random, spread: number): Torsions {
  return { phi: phi + random.between(-spread, spread), psi: psi + random.between(-spread, spread) };
}

/** Closest approach in Å of two CA atoms at least three residues apart; a turn of a helix is tighter than a contact. */
function clearance(separation: number): number {
  return separation < 5 ? 4.8 : 5.6;
}

/** Closest approach in Å of any two atoms: that of a hydrogen bond, and a little. */
const contact = 2.7;

function clash(a: Residue, b: Residue, separation: number): boolean {
  if (separation < 3) return false;
  const apart = distance(a.ca, b.ca);
  if (apart < clearance(separation)) return true;
  // No atom is further than 2.5 Å from its CA.
  if (apart > contact + 5) return false;
  return [a.n, a.c, a.o].some((p) => [b.n, b.c, b.o].some((q) => distance(p, q) < contact));
}

/** What a piece continues: the chain so far, and the psi of its last residue. */
interface Growth {
  readonly chain: readonly Residue[];
  readonly lastPsi: number;
  readonly mayCross: boolean;
}

/** A loop and a helix; undefined when they would cross the chain and may not. A first piece is a helix alone. */
function drawPiece({ chain, lastPsi, mayCross }: Growth, size: number, random: Random): Piece | undefined {
  const loop = chain.length === 0 ? 0 : Math.min(random.integer(3, 5), size);
  const torsions = Array.from({ length: size }, (_, i) =>
    i < loop ? jitter(random.pick(loopBasins), random, 15) : jitter(helix, random, 2),
  );
  const whole = [...chain];
  let psi = lastPsi;
  for (const pair of torsions) {
    const previous = whole.at(-1);
    const residue = previous === undefined ? firstResidue(pair) : nextResidue(previous, psi, pair);
    if (!mayCross && whole.some((other, i) => clash(other, residue, whole.length - i))) return undefined;
    whole.push(residue);
    psi = pair.psi;
  }
  return { residues: whole.slice(chain.length), torsions, loop };
}

/** Of some pieces that can be, the one that stays closest to the middle; undefined when there was none. */
function bestPiece(growth: Growth, size: number, random: Random): Piece | undefined {
  const alphas = growth.chain.map(({ ca }) => ca);
  const middle: Vector = alphas.length === 0 ? [0, 0, 0] : centroid(alphas);
  const spread = (piece: Piece) => piece.residues.reduce((sum, { ca }) => sum + distance(middle, ca) ** 2, 0);
  const found: { readonly piece: Piece; readonly cost: number }[] = [];
  for (let i = 0; i < triedPieces && found.length < wantedPieces; i++) {
    const piece = drawPiece(growth, size, random);
    if (piece !== undefined) found.push({ piece, cost: spread(piece) });
  }
  return found.sort((a, b) => a.cost - b.cost)[0]?.piece;
}

function centred(residues: readonly Residue[]): Residue[] {
  const middle = centroid(residues.map(({ ca }) => ca));
  // Files hold three decimals: what is measured on a backbone must hold for its file too.
  const round = (value: number) => Math.round(value * 1000) / 1000;
  const move = (atom: Vector): Vector => {
    const [x, y, z] = add(atom, middle, -1);
    return [round(x), round(y), round(z)];
  };
  return residues.map(({ n, ca, c, o }) => ({ n: move(n), ca: move(ca), c: move(c), o: move(o) }));
}

/** Builds a compact bundle of helices with the bond lengths and angles of a real backbone, centred on its CAs. */
export function createBackbone(length: number, random: Random): Backbone {
  const pieces: Piece[] = [];
  let chain: readonly Residue[] = [];
  let retreats = 0;
  while (chain.length < length) {
    const size = Math.min(random.integer(16, 24), length - chain.length);
    const lastPsi = pieces.at(-1)?.torsions.at(-1)?.psi ?? helix.psi;
    const piece = bestPiece({ chain, lastPsi, mayCross: retreats >= maxRetreats }, size, random);
    // A chain that walled itself in has to go back further the more often it did.
    if (piece === undefined) pieces.splice(-1 - (retreats++ % 4));
    else pieces.push(piece);
    chain = pieces.flatMap(({ residues }) => residues);
  }
  const helical = pieces.flatMap(({ residues, loop }) => residues.map((_, i) => i >= loop));
  return { residues: centred(chain), helical };
}

/** Root mean square distance of the CA atoms from their centre, in Å, to three decimals. */
export function radiusOfGyration({ residues }: Backbone): number {
  const points = residues.map(({ ca }) => ca);
  const middle = centroid(points);
  const meanSquare = points.reduce((sum, point) => sum + distance(point, middle) ** 2, 0) / points.length;
  return Math.round(Math.sqrt(meanSquare) * 1000) / 1000;
}
