import { atomsFromModel, type Atom, type Model } from "./atoms.ts";

function coordinates(atom: Atom): string {
  return atom.position.map((value) => value.toFixed(3).padStart(8)).join("");
}

function atomRecord(atom: Atom): string {
  return [
    "ATOM  ",
    String(atom.serial).padStart(5),
    // One-letter elements start in the second of the four columns of a name.
    `  ${atom.name.padEnd(3)} `,
    atom.residueName,
    " A",
    String(atom.residueNumber).padStart(4),
    "    ",
    coordinates(atom),
    "  1.00",
    atom.bFactor.toFixed(2).padStart(6),
    atom.element.padStart(12),
  ].join("");
}

/** Writes a model as chain A of a PDB file, in the format's fixed columns, each line 80 wide. */
export function pdbFromModel(model: Model): string {
  const atoms = [...atomsFromModel(model)];
  const last = atoms.at(-1);
  const end = last
    ? [
        `TER   ${String(last.serial + 1).padStart(5)}      ${last.residueName} A${String(last.residueNumber).padStart(4)}`,
      ]
    : [];
  const lines = [
    "REMARK   1 FOLDFORGE SANDBOX: A STAND-IN, NOT A PREDICTION",
    ...atoms.map(atomRecord),
    ...end,
    "END",
  ];
  return lines.map((line) => `${line.padEnd(80)}\n`).join("");
}
