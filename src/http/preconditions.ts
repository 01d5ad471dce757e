import type { IncomingMessage } from "node:http";
import { Code } from "@connectrpc/connect";
import { HttpError } from "../errors/http-error.ts";

/** What a representation is compared by (RFC 9110 §8.8). */
interface Validators {
  /** Its entity tags, one for each content coding; none where nothing identifies it. */
  readonly etags: readonly string[];
  /** Unix time in seconds; undefined where it is not known. */
  readonly lastModified?: number | undefined;
}

type Conditional = Pick<IncomingMessage, "method" | "headers">;

/** Whether a request has a condition that a method must not be performed without (RFC 9110 §13.1). */
export function hasPreconditions({ method = "", headers }: Conditional): boolean {
  return (
    headers["if-match"] !== undefined ||
    headers["if-unmodified-since"] !== undefined ||
    (!isRead(method) && headers["if-none-match"] !== undefined)
  );
}

/**
 * Throws 412 where a condition of the request is false for what exists (RFC 9110 §13.2.2, steps 1 to 3). An
 * `If-None-Match` of GET and HEAD is left to who answers 304.
 */
export function checkPreconditions({ method = "", headers }: Conditional, validators: Validators): void {
  const {
    "if-match": ifMatch,
    "if-unmodified-since": ifUnmodifiedSince,
    "if-none-match": ifNoneMatch,
  } = headers;
  const { etags, lastModified } = validators;
  if (ifMatch !== undefined) {
    if (!isAny(ifMatch) && strongMatch(ifMatch, etags) === undefined) throw preconditionFailed();
  } else if (ifUnmodifiedSince !== undefined && lastModified !== undefined) {
    const date = parseHttpDate(ifUnmodifiedSince);
    if (date !== undefined && lastModified > date) throw preconditionFailed();
  }
  if (!isRead(method) && ifNoneMatch !== undefined && matches(ifNoneMatch, etags)) throw preconditionFailed();
}

function preconditionFailed(): HttpError {
  return new HttpError(
    Code.FailedPrecondition,
    "a condition of the request is false: read the resource, and repeat the request with its ETag",
    { status: 412 },
  );
}

function isRead(method: string): boolean {
  return method === "GET" || method === "HEAD";
}

/** Whether an `If-None-Match` names what exists (RFC 9110 §13.1.2). */
export function matches(ifNoneMatch: string, etags: readonly string[]): boolean {
  return isAny(ifNoneMatch) || weakMatch(ifNoneMatch, etags) !== undefined;
}

function isAny(list: string): boolean {
  return list.trim() === "*";
}

/** The first of `etags` that a list has, compared weakly (RFC 9110 §8.8.3.2). */
export function weakMatch(list: string, etags: readonly string[]): string | undefined {
  const listed = new Set(entityTags(list).map(opaque));
  return etags.find((etag) => listed.has(opaque(etag)));
}

/** The first of `etags` that a list has, compared strongly: a weak tag matches nothing. */
function strongMatch(list: string, etags: readonly string[]): string | undefined {
  const listed = new Set(entityTags(list));
  return etags.find((etag) => !etag.startsWith("W/") && listed.has(etag));
}

/** One entity tag of a list, with what separates it from the one before (RFC 9110 §5.6.1, §8.8.3). */
const entityTagPattern = /[ \t,]*((?:W\/)?"[!#-~\x80-\xff]*")[ \t]*(?=,|$)/gy;

/** The entity tags of a list, up to what is none. */
function entityTags(list: string): string[] {
  return Array.from(list.matchAll(entityTagPattern), ([, tag = ""]) => tag);
}

function opaque(tag: string): string {
  return tag.replace(/^W\//, "");
}

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
