import { distance } from "fastest-levenshtein";

/** Longer names are near to none, so that clients cannot choose what a comparison costs. */
const maxLength = 64;

/** The known name that resembles `name` most, however little; the first of several. */
export function mostSimilarName(name: string, known: readonly string[]): string | undefined {
  return mostSimilar(name, known)?.name;
}

/**
 * The known name that `name` is probably meant to be: it has another case or other separators (`pageSize`, `page_size`),
 * or a few wrong letters.
 */
export function nearestName(name: string, known: readonly string[]): string | undefined {
  if (name.length > maxLength) return undefined;
  const best = mostSimilar(
    name,
    known.filter((other) => other.length <= maxLength),
  );
  return best !== undefined && best.mistakes <= allowedMistakes(best.name) ? best.name : undefined;
}

/** The end of a message about an unknown name: `; did you mean page_size?`, or nothing if no known name is near. */
export function didYouMean(name: string, known: readonly string[]): string {
  return suggestionOf(nearestName(name, known));
}

/**
 * The end of a message about an unknown one of a few `things`: the known name that is near, or else all of them, as in
 * `; known properties: id, tool`. Empty if no name is known.
 */
export function didYouMeanOneOf(name: string, known: readonly string[], things: string): string {
  return didYouMean(name, known) || (known.length > 0 ? `; known ${things}: ${known.join(", ")}` : "");
}

/** The end of a message that suggests `meant`: `; did you mean page_size?`, or nothing if that is undefined. */
export function suggestionOf(meant: string | undefined): string {
  return meant === undefined ? "" : `; did you mean ${meant}?`;
}

/** One for each three letters. More would suggest names that only have their length in common. */
function allowedMistakes(name: string): number {
  return Math.min(3, Math.floor(lettersOf(name).length / 3));
}

function mostSimilar(name: string, known: readonly string[]) {
  const letters = lettersOf(name);
  let best: { readonly name: string; readonly mistakes: number } | undefined;
  for (const other of known) {
    const mistakes = mistakesIn(letters, lettersOf(other));
    if (best === undefined || mistakes < best.mistakes) best = { name: other, mistakes };
  }
  return best;
}

/** A name without what distinguishes `camelCase`, `snake_case` and `kebab-case`. */
function lettersOf(name: string): string {
  return name.toLowerCase().replaceAll(/[_-]/g, "");
}

/** The Levenshtein distance, in which two letters in the wrong order are one mistake. */
function mistakesIn(letters: string, expected: string): number {
  const mistakes = distance(letters, expected);
  return mistakes === 2 && sorted(letters) === sorted(expected) ? 1 : mistakes;
}

function sorted(letters: string): string {
  return letters.split("").sort().join("");
}
