/** An atom as a reader finds it in a file. */
export interface ReadAtom {
  readonly record: string;
  readonly serial: number;
  readonly name: string;
  readonly element: string;
  readonly residueName: string;
  readonly chain: string;
  readonly residue: number;
  readonly x: number;
  readonly y: number;
  readonly z: number;
  readonly bFactor: number;
}

/** Reads the ATOM and HETATM records of a PDB file by the columns of the format. */
export function readPdb(text: string): ReadAtom[] {
  const column = (line: string, from: number, to: number) => line.slice(from - 1, to).trim();
  return text
    .split("\n")
    .filter((line) => /^(ATOM {2}|HETATM)/.test(line))
    .map((line) => ({
      record: column(line, 1, 6),
      serial: Number(column(line, 7, 11)),
      name: column(line, 13, 16),
      residueName: column(line, 18, 20),
      chain: column(line, 22, 22),
      residue: Number(column(line, 23, 26)),
      x: Number(column(line, 31, 38)),
      y: Number(column(line, 39, 46)),
      z: Number(column(line, 47, 54)),
      bFactor: Number(column(line, 61, 66)),
      element: column(line, 77, 78),
    }));
}

/** Reads the atom_site loop of an mmCIF file by the names of its items. */
export function readMmcif(text: string): ReadAtom[] {
  const lines = text.split("\n");
  const items = lines.filter((line) => line.startsWith("_atom_site.")).map((line) => line.slice(11));
  const first = lines.findLastIndex((line) => line.startsWith("_atom_site.")) + 1;
  const end = lines.indexOf("#", first);
  return lines.slice(first, end).map((line) => {
    const values = line.split(/\s+/);
    if (values.length !== items.length) throw new Error(`row of ${values.length} values: ${line}`);
    const value = (item: string) => values[items.indexOf(item)] ?? "";
    return {
      record: value("group_PDB"),
      serial: Number(value("id")),
      name: value("label_atom_id"),
      residueName: value("label_comp_id"),
      chain: value("label_asym_id"),
      residue: Number(value("auth_seq_id")),
      x: Number(value("Cartn_x")),
      y: Number(value("Cartn_y")),
      z: Number(value("Cartn_z")),
      bFactor: Number(value("B_iso_or_equiv")),
      element: value("type_symbol"),
    };
  });
}

/** Reads FASTA records: header without its mark, and sequence. */
export function readFasta(text: string): { header: string; sequence: string }[] {
  return text
    .split(/^>/m)
    .slice(1)
    .map((record) => {
      const [header = "", ...lines] = record.split("\n");
      return { header, sequence: lines.join("") };
    });
}

const letters: Readonly<Record<string, string>> = {
  ALA: "A",
  ARG: "R",
  ASN: "N",
  ASP: "D",
  CYS: "C",
  GLN: "Q",
  GLU: "E",
  GLY: "G",
  HIS: "H",
  ILE: "I",
  LEU: "L",
  LYS: "K",
  MET: "M",
  PHE: "F",
  PRO: "P",
  SER: "S",
  THR: "T",
  TRP: "W",
  TYR: "Y",
  VAL: "V",
};

/** The sequence of each chain, by its name; each residue must have the four atoms of a backbone, in order. */
export function sequencesOf(atoms: readonly ReadAtom[]): Record<string, string> {
  const polymer = atoms.filter(({ record }) => record === "ATOM");
  const sequences: Record<string, string> = {};
  for (let i = 0; i < polymer.length; i += 4) {
    const residue = polymer.slice(i, i + 4);
    const { chain = "", residueName = "", residue: number } = residue[0] ?? {};
    const names = residue.map((atom) => atom.name).join(" ");
    if (names !== "N CA C O" || residue.some((atom) => atom.chain !== chain || atom.residue !== number))
      throw new Error(`residue ${number} of chain ${chain} has the atoms ${names}`);
    sequences[chain] = (sequences[chain] ?? "") + (letters[residueName] ?? "?");
    if (sequences[chain].length !== number) throw new Error(`chain ${chain} has a residue ${number}`);
  }
  return sequences;
}

/** Distances of atoms that are bound, in Å: N–CA, CA–C and C–O of each residue, and C–N to the next of its chain. */
export function bondLengths(atoms: readonly ReadAtom[]): number[] {
  const polymer = atoms.filter(({ record }) => record === "ATOM");
  return polymer.flatMap((atom, i) => {
    const other = polymer[atom.name === "C" ? i + 2 : i + 1];
    const own = atom.name === "C" ? [distance(atom, polymer[i + 1] ?? atom)] : [];
    if (atom.name === "O" || other?.chain !== atom.chain) return own;
    return [...own, distance(atom, other)];
  });
}

function distance(a: ReadAtom, b: ReadAtom): number {
  return Math.hypot(a.x - b.x, a.y - b.y, a.z - b.z);
}

/** The mean of at least one value. */
export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
