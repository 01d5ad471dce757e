/** The part of a package-lock.json about installed packages. */
export interface Lock {
  readonly packages: Readonly<Record<string, LockedPackage>>;
}

interface LockedPackage {
  readonly version: string;
  readonly dev?: boolean;
  readonly optional?: boolean;
  /** Whether only development and optional packages need it. */
  readonly devOptional?: boolean;
}

/** The packages that `npm ci --omit=dev --omit=optional` installs, by path. */
export function productionPackages({ packages }: Lock): Record<string, LockedPackage> {
  return Object.fromEntries(
    Object.entries(packages).filter(
      ([path, { dev, optional, devOptional }]) => path !== "" && !dev && !optional && !devOptional,
    ),
  );
}
