const threeLetterNames: Readonly<Record<string, string>> = {
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

/** What a protein sequence consists of: the one-letter codes of the twenty amino acids. */
export const sequencePattern = new RegExp(`^[${Object.keys(threeLetterNames).join("")}]+$`);

/** The three-letter name of a one-letter code; `UNK` for a code that is none of the twenty. */
export function residueName(letter: string): string {
  return threeLetterNames[letter] ?? "UNK";
}
