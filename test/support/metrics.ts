/** The samples of a text of metrics, by name and labels as they stand: `name{label="value"}`. */
export function samplesOf(text: string): ReadonlyMap<string, number> {
  const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return new Map(
    lines.map((line) => {
      const end = line.lastIndexOf(" ");
      return [line.slice(0, end), Number(line.slice(end + 1))];
    }),
  );
}

/** What a gateway's metrics say at present. */
export async function scrape(url: string): Promise<ReadonlyMap<string, number>> {
  return samplesOf(await (await fetch(`${url}/metrics`)).text());
}

/** By how much counters of a gateway rise while `act` runs; those that stay as they are are left out. */
export async function increasesDuring(
  url: string,
  family: string,
  act: () => Promise<unknown>,
): Promise<Readonly<Record<string, number>>> {
  const before = await scrape(url);
  await act();
  const after = await scrape(url);
  const rises = [...after]
    .filter(([name]) => name.startsWith(`${family}{`) || name === family)
    .map(([name, value]) => [/"(.*)"/.exec(name)?.[1] ?? name, value - (before.get(name) ?? 0)] as const);
  return Object.fromEntries(rises.filter(([, rise]) => rise !== 0));
}
