/** A package-lock.json, as far as it tells what is installed where. */
export interface Lock {
  readonly packages: Readonly<Record<string, LockedPackage>>;
}

interface LockedPackage {
  readonly version: string;
  readonly dev?: boolean;
  readonly optional?: boolean;
  /** Whether only packages of development and optional ones need it. */
  readonly devOptional?: boolean;
}

/** What `npm ci --omit=dev --omit=optional` installs, by its place. */
export function productionPackages({ packages }: Lock): Record<string, LockedPackage> {
  return Object.fromEntries(
    Object.entries(packages).filter(
      ([place, { dev, optional, devOptional }]) => place !== "" && !dev && !optional && !devOptional,
    ),
  );
}
