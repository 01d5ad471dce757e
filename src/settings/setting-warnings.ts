import { mostSimilarName } from "../nearest-name.ts";
import { deprecatedNames, prefix, settingNames } from "./schema.ts";

/** A name in the environment that should be changed. */
export interface SettingWarning {
  readonly event: "setting.ignored" | "setting.deprecated";
  readonly setting: string;
  /** The names to use instead: of an unknown name, a guess. */
  readonly replacements: readonly string[];
  readonly message: string;
}

/** Gives the values of deprecated settings to those that replace them. `sources` maps new names to old ones. */
export function replaceDeprecated(inEnvironment: ReadonlyMap<string, string>) {
  const given = new Map(inEnvironment);
  const sources = new Map<string, string>();
  const warnings: SettingWarning[] = [];
  for (const [oldName, newNames] of deprecatedNames) {
    const value = given.get(oldName);
    if (value === undefined) continue;
    given.delete(oldName);
    const unset = newNames.filter((name) => !given.has(name));
    for (const name of unset) {
      given.set(name, value);
      sources.set(name, oldName);
    }
    warnings.push(warningOfDeprecated(oldName, newNames, unset));
  }
  return { given, sources, warnings };
}

/** The warning of a deprecated setting whose value is used for those of `newNames` that are `unset`. */
function warningOfDeprecated(
  oldName: string,
  newNames: readonly string[],
  unset: readonly string[],
): SettingWarning {
  const setting = prefix + oldName;
  const set = newNames.filter((name) => !unset.includes(name));
  const pronoun = unset.length === 1 ? "that" : "those";
  const verbs = set.length === 1 ? "is also set and takes" : "are also set and take";
  const sentences = [
    ...(unset.length > 0 ? [`its value is used for ${and(unset)}. Set ${pronoun} instead.`] : []),
    ...(set.length > 0 ? [`${and(set)} ${verbs} precedence.`] : []),
  ];
  return {
    event: "setting.deprecated",
    setting,
    replacements: newNames.map((name) => prefix + name),
    message: `${setting} is deprecated and will be removed in the next release; ${sentences.join(" ")}`,
  };
}

/** The warning of an unknown name. Where that resembles a deprecated name, it suggests the settings that replace it. */
export function warningOfUnknown(name: string): SettingWarning {
  const known = [...settingNames, ...deprecatedNames.keys()];
  const similar = mostSimilarName(name, known) ?? name;
  const replacements = deprecatedNames.get(similar) ?? [similar];
  const setting = prefix + name;
  return {
    event: "setting.ignored",
    setting,
    replacements: replacements.map((replacement) => prefix + replacement),
    message: `${setting} is not a setting; did you mean ${or(replacements)}?`,
  };
}

function and(names: readonly string[]): string {
  return new Intl.ListFormat("en-GB", { type: "conjunction" }).format(names.map((name) => prefix + name));
}

function or(names: readonly string[]): string {
  return new Intl.ListFormat("en-GB", { type: "disjunction" }).format(names.map((name) => prefix + name));
}
