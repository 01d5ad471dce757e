import type { Random } from "../random.ts";

/** A protein chain and its backbone. */
export interface Chain {
  /** The chain's name in structure files. */
  readonly id: string;
  /** One-letter codes, one per residue. */
  readonly sequence: string;
  /** One value per residue. */
  readonly bFactors: readonly number[];
}

/** A small molecule. */
export interface Ligand {
  /** The chain's name in structure files. */
  readonly id: string;
  /** Its code in the Chemical Component Dictionary; `LIG` where it has none. */
  readonly component: string;
  /** The element of each atom, such as `C` or `Cl`. */
  readonly elements: readonly string[];
}

/** What a structure file describes. */
export interface Structure {
  readonly chains: readonly Chain[];
  readonly ligands: readonly Ligand[];
  /** The radius and the height of the coil that the chains follow, in Å. */
  readonly coil: { readonly radius: number; readonly pitch: number };
}

/** A point in space, in Å. */
type Position = readonly [x: number, y: number, z: number];

/** One atom as structure files list it. */
export interface Atom {
  readonly record: "ATOM" | "HETATM";
  readonly serial: number;
  readonly name: string;
  readonly element: string;
  readonly residueName: string;
  readonly residueNumber: number;
  readonly chainId: string;
  /** Counts the chains and then the ligands, from 0. */
  readonly entity: number;
  readonly position: Position;
  readonly bFactor: number;
}

const residueNames: Readonly<Record<string, string>> = {
  A: "ALA",
  C: "CYS",
  D: "ASP",
  E: "GLU",
  F: "PHE",
  G: "GLY",
  H: "HIS",
  I: "ILE",
  K: "LYS",
  L: "LEU",
  M: "MET",
  N: "ASN",
  P: "PRO",
  Q: "GLN",
  R: "ARG",
  S: "SER",
  T: "THR",
  V: "VAL",
  W: "TRP",
  Y: "TYR",
};

/** The one-letter codes of the twenty amino acids. */
export const aminoAcids = Object.keys(residueNames).join("");

/**
 * The backbone of one residue of an α-helix in cylindrical coordinates: Å from the axis, degrees round it, Å along it
 * (Arnott and Dover, 1967). The next residue is turned by `turn` degrees and moved by `rise` Å.
 */
const helix = [
  { name: "N", element: "N", radius: 1.57, angle: -27.6, along: -0.9 },
  { name: "CA", element: "C", radius: 2.29, angle: 0, along: 0 },
  { name: "C", element: "C", radius: 1.64, angle: 26.4, along: 1.11 },
  { name: "O", element: "O", radius: 1.96, angle: 19.8, along: 2.28 },
] as const;
const turn = 100;
const rise = 1.5;
/** Å from the start of one chain to the start of the next. */
const chainDistance = 100;

const radians = (degrees: number) => (degrees * Math.PI) / 180;

/** Draws a coil, so that two structures of one sequence are two files. */
export function drawCoil(random: Random): Structure["coil"] {
  return { radius: random.between(20, 40), pitch: random.between(12, 16) };
}

/** A point of a right-handed helix whose axis is wound to a coil, which keeps long chains compact. */
function coiled(
  { radius, pitch }: Structure["coil"],
  fromAxis: number,
  angle: number,
  along: number,
): Position {
  const wound = along / radius;
  const distance = radius + fromAxis * Math.cos(radians(angle));
  return [
    distance * Math.cos(wound),
    distance * Math.sin(wound),
    (wound / (2 * Math.PI)) * pitch - fromAxis * Math.sin(radians(angle)),
  ];
}

/** The atoms of a structure in file order, numbered from 1: four for each residue, and those of the ligands. */
export function atomsFromStructure({ chains, ligands, coil }: Structure): readonly Atom[] {
  const atoms: Omit<Atom, "serial">[] = [];
  for (const [entity, { id, sequence, bFactors }] of chains.entries())
    for (const [i, letter] of sequence.split("").entries())
      for (const { name, element, radius, angle, along } of helix) {
        const [x, y, z] = coiled(coil, radius, angle + i * turn, along + i * rise);
        atoms.push({
          record: "ATOM",
          name,
          element,
          residueName: residueNames[letter] ?? "UNK",
          residueNumber: i + 1,
          chainId: id,
          entity,
          position: [x + entity * chainDistance, y, z],
          bFactor: bFactors[i] ?? 0,
        });
      }
  // A zigzag for each, in the middle of the first coil.
  for (const [i, { id, component, elements }] of ligands.entries())
    for (const [k, element] of elements.entries())
      atoms.push({
        record: "HETATM",
        name: `${element.toUpperCase()}${k + 1}`,
        element,
        residueName: component,
        residueNumber: 1,
        chainId: id,
        entity: chains.length + i,
        position: [k * 1.25, (k % 2) * 0.8, i * 5],
        bFactor: 0,
      });
  return atoms.map((atom, i) => ({ ...atom, serial: i + 1 }));
}

/** Root mean square distance of the CA atoms from their centre, in Å, to three decimals. */
export function radiusOfGyration(structure: Structure): number {
  const points = atomsFromStructure(structure)
    .filter(({ name, record }) => record === "ATOM" && name === "CA")
    .map(({ position }) => position.map((value) => Number(value.toFixed(3))));
  const centre = [0, 1, 2].map((axis) => mean(points.map((point) => point[axis] ?? 0)));
  const squares = points.map((point) =>
    point.reduce((sum, value, axis) => sum + (value - (centre[axis] ?? 0)) ** 2, 0),
  );
  return Number(Math.sqrt(mean(squares)).toFixed(3));
}

/** The mean of at least one value, to the four decimals that a metric has. */
export function meanMetric(values: readonly number[]): number {
  return roundedMetric(mean(values));
}

/** A value to the four decimals that a metric has. */
export function roundedMetric(value: number): number {
  return Number(value.toFixed(4));
}

/** The mean of at least one value. */
function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
