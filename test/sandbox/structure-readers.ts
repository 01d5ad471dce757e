/** An atom as a reader finds it in a file. */
export interface ReadAtom {
  readonly serial: number;
  readonly name: string;
  readonly residueName: string;
  readonly residue: number;
  readonly x: number;
  readonly y: number;
  readonly z: number;
  readonly bFactor: number;
  readonly element: string;
}

/** Reads the ATOM records of a PDB file by the columns of the format. */
export function readPdb(text: string): ReadAtom[] {
  const column = (line: string, from: number, to: number) => line.slice(from - 1, to).trim();
  return text
    .split("\n")
    .filter((line) => line.startsWith("ATOM  "))
    .map((line) => ({
      serial: Number(column(line, 7, 11)),
      name: column(line, 13, 16),
      residueName: column(line, 18, 20),
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
      serial: Number(value("id")),
      name: value("label_atom_id"),
      residueName: value("label_comp_id"),
      residue: Number(value("label_seq_id")),
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

const apart = (a: ReadAtom, b: ReadAtom) => Math.hypot(a.x - b.x, a.y - b.y, a.z - b.z);

/** The number of a mean. */
export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** What is wrong with a backbone as chemistry has it, one line each; `compactness` bounds its radius in Å. */
export function backboneFaults(atoms: readonly ReadAtom[], compactness: number): string[] {
  const faults: string[] = [];
  const expect = (what: string, value: number, low: number, high: number) => {
    if (!(value >= low && value <= high)) faults.push(`${what} is ${value}`);
  };
  const residues = Map.groupBy(atoms, ({ residue }) => residue);
  const named = (residue: number, name: string): ReadAtom => {
    const atom = residues.get(residue)?.find((candidate) => candidate.name === name);
    if (atom === undefined) throw new Error(`residue ${residue} has no ${name}`);
    return atom;
  };
  atoms.forEach(({ serial }, i) => expect(`serial ${i}`, serial, i + 1, i + 1));
  for (let i = 1; i <= residues.size; i++) {
    const names = residues
      .get(i)
      ?.map(({ name }) => name)
      .join(" ");
    if (names !== "N CA C O") faults.push(`residue ${i} is ${names}`);
    expect(`N-CA of ${i}`, apart(named(i, "N"), named(i, "CA")), 1.45, 1.47);
    expect(`CA-C of ${i}`, apart(named(i, "CA"), named(i, "C")), 1.51, 1.54);
    expect(`C-O of ${i}`, apart(named(i, "C"), named(i, "O")), 1.22, 1.24);
    expect(`N-C of ${i}`, apart(named(i, "N"), named(i, "C")), 2.4, 2.55);
    if (i === residues.size) continue;
    expect(`C-N after ${i}`, apart(named(i, "C"), named(i + 1, "N")), 1.32, 1.34);
    expect(`CA-CA after ${i}`, apart(named(i, "CA"), named(i + 1, "CA")), 3.75, 3.85);
    expect(`O-N after ${i}`, apart(named(i, "O"), named(i + 1, "N")), 2.15, 2.35);
  }
  atoms.forEach((a, i) => {
    for (const b of atoms.slice(i + 9)) {
      if (b.residue < a.residue + 3) continue;
      const least = a.name === "CA" && b.name === "CA" ? 4.5 : 2.65;
      if (apart(a, b) < least) faults.push(`${a.name} ${a.residue} meets ${b.name} ${b.residue}`);
    }
  });
  const alphas = atoms.filter(({ name }) => name === "CA");
  const centre = {
    x: mean(alphas.map(({ x }) => x)),
    y: mean(alphas.map(({ y }) => y)),
    z: mean(alphas.map(({ z }) => z)),
  };
  const radius = Math.sqrt(mean(alphas.map((atom) => apart(atom, { ...atom, ...centre }) ** 2)));
  expect("radius of gyration", radius, 0, compactness);
  return faults;
}

/** The torsion N–CA–C–N of a residue and its successor, in degrees; right-handed helices have about −45. */
export function psi(atoms: readonly ReadAtom[], residue: number): number {
  const at = (number: number, name: string) => {
    const atom = atoms.find((candidate) => candidate.residue === number && candidate.name === name);
    if (atom === undefined) throw new Error(`residue ${number} has no ${name}`);
    return atom;
  };
  const points = [at(residue, "N"), at(residue, "CA"), at(residue, "C"), at(residue + 1, "N")] as const;
  const [b1, b2, b3] = ([0, 1, 2] as const).map((i) => {
    const [p, q] = [points[i], points[i + 1] ?? points[3]];
    return [q.x - p.x, q.y - p.y, q.z - p.z] as const;
  });
  if (b1 === undefined || b2 === undefined || b3 === undefined)
    throw new Error("four points make three bonds");
  type Triple = readonly [number, number, number];
  const cross = (a: Triple, b: Triple): Triple => [
    a[1] * b[2] - a[2] * b[1],
    a[2] * b[0] - a[0] * b[2],
    a[0] * b[1] - a[1] * b[0],
  ];
  const dot = (a: Triple, b: Triple) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
  const [left, right] = [cross(b1, b2), cross(b2, b3)];
  return (Math.atan2(Math.hypot(...b2) * dot(b1, right), dot(left, right)) * 180) / Math.PI;
}
