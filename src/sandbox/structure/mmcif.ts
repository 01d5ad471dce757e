import { atomsFromStructure, type Atom, type Structure } from "./structure.ts";

/** The columns of the atom_site loop: name of the item, and its value for an atom. */
const columns: readonly (readonly [item: string, value: (atom: Atom) => string])[] = [
  ["group_PDB", (atom) => atom.record],
  ["id", (atom) => String(atom.serial)],
  ["type_symbol", (atom) => atom.element],
  ["label_atom_id", (atom) => atom.name],
  ["label_alt_id", () => "."],
  ["label_comp_id", (atom) => atom.residueName],
  ["label_asym_id", (atom) => atom.chainId],
  ["label_entity_id", (atom) => String(atom.entity + 1)],
  // Only polymers have a sequence.
  ["label_seq_id", (atom) => (atom.record === "ATOM" ? String(atom.residueNumber) : ".")],
  ["pdbx_PDB_ins_code", () => "?"],
  ["Cartn_x", (atom) => atom.position[0].toFixed(3)],
  ["Cartn_y", (atom) => atom.position[1].toFixed(3)],
  ["Cartn_z", (atom) => atom.position[2].toFixed(3)],
  ["occupancy", () => "1.00"],
  ["B_iso_or_equiv", (atom) => atom.bFactor.toFixed(2)],
  ["auth_seq_id", (atom) => String(atom.residueNumber)],
  ["auth_asym_id", (atom) => atom.chainId],
  ["pdbx_PDB_model_num", () => "1"],
];

/** Writes a structure as an mmCIF file: an entity for each chain and ligand, and one atom_site loop. */
export function mmcifFromStructure(structure: Structure): string {
  const entities = [
    ...structure.chains.map(() => "polymer"),
    ...structure.ligands.map(() => "non-polymer"),
  ].map((type, i) => `${i + 1} ${type}`);
  const rows = atomsFromStructure(structure).map((atom) => columns.map(([, value]) => value(atom)).join(" "));
  return [
    "data_model",
    "_entry.id model",
    "_struct.entry_id model",
    "_struct.title 'FoldForge sandbox: a stand-in, not a prediction'",
    "loop_",
    "_entity.id",
    "_entity.type",
    ...entities,
    "#",
    "loop_",
    ...columns.map(([item]) => `_atom_site.${item}`),
    ...rows,
    "#",
    "",
  ].join("\n");
}
