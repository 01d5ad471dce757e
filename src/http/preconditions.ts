import type { IncomingMessage } from "node:http";
import { Code } from "@connectrpc/connect";
import { HttpError } from "../errors/http-error.ts";

/** The validators of a representation (RFC 9110 §8.8). */
interface Validators {
  /** One for each content coding; none if nothing identifies the content. */
  readonly etags: readonly string[];
  /** Unix time in seconds; undefined if it is not known. */
  readonly lastModified?: number | undefined;
}

type Conditional = Pick<IncomingMessage, "method" | "headers">;

/** Whether a request has a precondition that can fail with 412 (RFC 9110 §13.1). */
export function hasPreconditions({ method = "", headers }: Conditional): boolean {
  return (
    headers["if-match"] !== undefined ||
    headers["if-unmodified-since"] !== undefined ||
    (!isRead(method) && headers["if-none-match"] !== undefined)
  );
}

/**
 * Throws 412 if a precondition is false (RFC 9110 §13.2.2, steps 1 to 3). The `If-None-Match` of GET and HEAD leads to
 * 304 instead: `handleIfNoneMatch` evaluates it, and for a download its handler does.
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

/** Whether an `If-None-Match` lists one of `etags` (RFC 9110 §13.1.2). */
export function matches(ifNoneMatch: string, etags: readonly string[]): boolean {
  return isAny(ifNoneMatch) || weakMatch(ifNoneMatch, etags) !== undefined;
}

function isAny(list: string): boolean {
  return list.trim() === "*";
}

/** The first of `etags` in a list by weak comparison (RFC 9110 §8.8.3.2). */
export function weakMatch(list: string, etags: readonly string[]): string | undefined {
  const listed = new Set(entityTags(list).map(opaque));
  return etags.find((etag) => listed.has(opaque(etag)));
}

/** The first of `etags` in a list by strong comparison: weak ones match nothing. */
function strongMatch(list: string, etags: readonly string[]): string | undefined {
  const listed = new Set(entityTags(list));
  return etags.find((etag) => !etag.startsWith("W/") && listed.has(etag));
}

/** An entity tag of a list and the separator before it (RFC 9110 §5.6.1, §8.8.3). */
const entityTagPattern = /[ \t,]*((?:W\/)?"[!#-~\x80-\xff]*")[ \t]*(?=,|$)/gy;

/** The entity tags of a list, up to the first that is malformed. */
function entityTags(list: string): string[] {
  return Array.from(list.matchAll(entityTagPattern), ([, tag = ""]) => tag);
}

function opaque(tag: string): string {
  return tag.replace(/^W\//, "");
}

const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** The formats of RFC 9110 §5.6.7: IMF-fixdate, RFC 850, asctime. */
const dateFormats = [
  /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), (?<day>\d\d) (?<month>[A-Z][a-z]{2}) (?<year>\d{4}) (?<time>\d\d:\d\d:\d\d) GMT$/,
  /^(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day, (?<day>\d\d)-(?<month>[A-Z][a-z]{2})-(?<year>\d\d) (?<time>\d\d:\d\d:\d\d) GMT$/,
  /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) (?<month>[A-Z][a-z]{2}) (?<day>[ \d]\d) (?<time>\d\d:\d\d:\d\d) (?<year>\d{4})$/,
];

/** Parses an HTTP-date into Unix time in seconds; undefined for any other text. */
export function parseHttpDate(text: string, now = Date.now()): number | undefined {
  const parts = dateFormats.map((format) => format.exec(text)?.groups).find((groups) => groups !== undefined);
  if (parts === undefined) return undefined;
  const { day = "", month = "", year = "", time = "" } = parts;
  const date = `${day.replace(" ", "0")} ${month} ${year.length === 2 ? fullYear(year, now) : year} ${time} GMT`;
  const ms = months.includes(month) ? Date.parse(date) : NaN;
  // Date.parse takes a day beyond its month for one of the next month.
  if (Number.isNaN(ms) || !new Date(ms).toUTCString().endsWith(date)) return undefined;
  return ms / 1000;
}

/** A two-digit year more than 50 years ahead is in the past century (RFC 9110 §5.6.7). */
function fullYear(digits: string, now: number): string {
  const current = new Date(now).getUTCFullYear();
  const year = current - (current % 100) + Number(digits);
  return String(year > current + 50 ? year - 100 : year);
}
