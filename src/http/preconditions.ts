import type { IncomingMessage } from "node:http";
import { Code } from "@connectrpc/connect";
import { HttpError } from "../errors/http-error.ts";
import { parseHttpDate } from "./http-date.ts";

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
