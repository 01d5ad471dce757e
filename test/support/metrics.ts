/** The samples of a text of metrics, by their name with labels: `name{label="value"}`. */
export function samplesOf(text: string): ReadonlyMap<string, number> {
  const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return new Map(
    lines.map((line) => {
      const end = line.lastIndexOf(" ");
      return [line.slice(0, end), Number(line.slice(end + 1))];
    }),
  );
}

/** The current metrics of a gateway. */
export async function scrape(url: string): Promise<ReadonlyMap<string, number>> {
  return samplesOf(await (await fetch(`${url}/metrics`)).text());
}

/** The increases of a gateway's counters while `act` runs, without those that do not change. */
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
