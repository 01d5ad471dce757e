import { atomsFromModel, type Atom, type Model } from "./atoms.ts";

/** The columns of the atom_site loop: name of the item, and its value for an atom. */
const columns: readonly (readonly [item: string, value: (atom: Atom) => string])[] = [
  ["group_PDB", () => "ATOM"],
  ["id", (atom) => String(atom.serial)],
  ["type_symbol", (atom) => atom.element],
  ["label_atom_id", (atom) => atom.name],
  ["label_alt_id", () => "."],
  ["label_comp_id", (atom) => atom.residueName],
  ["label_asym_id", () => "A"],
  ["label_entity_id", () => "1"],
  ["label_seq_id", (atom) => String(atom.residueNumber)],
  ["pdbx_PDB_ins_code", () => "?"],
  ["Cartn_x", (atom) => atom.position[0].toFixed(3)],
  ["Cartn_y", (atom) => atom.position[1].toFixed(3)],
  ["Cartn_z", (atom) => atom.position[2].toFixed(3)],
  ["occupancy", () => "1.00"],
  ["B_iso_or_equiv", (atom) => atom.bFactor.toFixed(2)],
  ["auth_seq_id", (atom) => String(atom.residueNumber)],
  ["auth_asym_id", () => "A"],
  ["pdbx_PDB_model_num", () => "1"],
];

/** Writes a model as chain A of an mmCIF file with one entity and one atom_site loop. */
export function mmcifFromModel(model: Model): string {
  const rows = atomsFromModel(model).map((atom) => columns.map(([, value]) => value(atom)).join(" "));
  return [
    "data_model",
    "_entry.id model",
    "_struct.entry_id model",
    "_struct.title 'FoldForge sandbox: a stand-in, not a prediction'",
    "_entity.id 1",
    "_entity.type polymer",
    "#",
    "loop_",
    ...columns.map(([item]) => `_atom_site.${item}`),
    ...rows,
    "#",
    "",
  ].join("\n");
}
