/** The pairs of repeated `key=value` parameters, each split at its first `=`. */
export function labelSelectorFromQuery(labels: readonly string[]): Record<string, string> {
  return Object.fromEntries(labels.map(labelFromQuery));
}

/** One `key=value` parameter, split at its first `=`. */
export function labelFromQuery(label: string): [key: string, value: string] {
  const at = label.indexOf("=");
  return [label.slice(0, at), label.slice(at + 1)];
}
