const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** The three forms of RFC 9110 §5.6.7: IMF-fixdate, that of RFC 850, and that of asctime. */
const forms = [
  /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), (?<day>\d\d) (?<month>[A-Z][a-z]{2}) (?<year>\d{4}) (?<time>\d\d:\d\d:\d\d) GMT$/,
  /^(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day, (?<day>\d\d)-(?<month>[A-Z][a-z]{2})-(?<year>\d\d) (?<time>\d\d:\d\d:\d\d) GMT$/,
  /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) (?<month>[A-Z][a-z]{2}) (?<day>[ \d]\d) (?<time>\d\d:\d\d:\d\d) (?<year>\d{4})$/,
];

/** The Unix time of an HTTP-date in seconds; undefined for any other text. */
export function parseHttpDate(text: string, now = Date.now()): number | undefined {
  const parts = forms.map((form) => form.exec(text)?.groups).find((groups) => groups !== undefined);
  if (parts === undefined) return undefined;
  const { day = "", month = "", year = "", time = "" } = parts;
  const date = `${day.replace(" ", "0")} ${month} ${year.length === 2 ? fullYear(year, now) : year} ${time} GMT`;
  const ms = months.includes(month) ? Date.parse(date) : NaN;
  // A day that its month does not have would be one of the next month.
  if (Number.isNaN(ms) || !new Date(ms).toUTCString().endsWith(date)) return undefined;
  return ms / 1000;
}

/** Two digits that would be more than 50 years ahead are of the century before (RFC 9110 §5.6.7). */
function fullYear(digits: string, now: number): string {
  const current = new Date(now).getUTCFullYear();
  const year = current - (current % 100) + Number(digits);
  return String(year > current + 50 ? year - 100 : year);
}
