import { atomsFromStructure, type Atom, type Structure } from "./structure.ts";

function atomRecord(atom: Atom): string {
  // One-letter elements start in the second of the four columns of a name.
  const name = atom.element.length === 1 && atom.name.length < 4 ? ` ${atom.name}` : atom.name;
  return [
    atom.record.padEnd(6),
    String(atom.serial).padStart(5),
    " ",
    name.padEnd(4),
    " ",
    residue(atom),
    "    ",
    ...atom.position.map((value) => value.toFixed(3).padStart(8)),
    "  1.00",
    atom.bFactor.toFixed(2).padStart(6),
    atom.element.toUpperCase().padStart(12),
  ].join("");
}

function residue({ residueName, chainId, residueNumber }: Atom): string {
  return `${residueName.padStart(3)} ${chainId}${String(residueNumber).padStart(4)}`;
}

/** The TER record that ends a chain, after its last atom. */
function terRecord(last: Atom): string {
  return `TER   ${String(last.serial + 1).padStart(5)}      ${residue(last)}`;
}

/** Writes a structure as a PDB file, in the format's fixed columns, each line 80 wide. A chain's id is one character. */
export function pdbFromStructure(structure: Structure): string {
  const atoms = atomsFromStructure(structure);
  // A TER record takes a serial number.
  const numbered = atoms.map((atom) => ({ ...atom, serial: atom.serial + atom.entity }));
  const lines = numbered.flatMap((atom, i) =>
    numbered[i + 1]?.entity === atom.entity ? [atomRecord(atom)] : [atomRecord(atom), terRecord(atom)],
  );
  return ["REMARK   1 FOLDFORGE SANDBOX: A STAND-IN, NOT A PREDICTION", ...lines, "END"]
    .map((line) => `${line.padEnd(80)}\n`)
    .join("");
}
