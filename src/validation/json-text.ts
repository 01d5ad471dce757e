import { maxViolations } from "../errors/http-error.ts";
import type { Violation } from "../errors/http-error.ts";
import {
  tab,
  lineFeed,
  carriageReturn,
  space,
  quote,
  plus,
  comma,
  minus,
  dot,
  zero,
  nine,
  colon,
  openBracket,
  backslash,
  closeBracket,
  letterE,
  letterU,
  openBrace,
  closeBrace,
} from "./json-codes.ts";
import { escapePointer } from "./json-pointer.ts";

/** Deepest level whose keys are compared; what is nested deeper is not valid anyway. */
const maxComparedLevel = 40;

/** How many values are read in one step: a few milliseconds at most, as one long string takes too. */
export const valuesPerStep = 4096;

/** Most repeated keys that are looked for. More than an error lists, as several may have the same pointer. */
const maxRepeated = 10 * maxViolations;

/**
 * What keeps `text` from being one JSON value with one meaning: the first syntax error of RFC 8259 with its line and
 * column, or else every key that stands more than once in its object (§4). Accepts the syntax that `JSON.parse`
 * accepts. Takes linear time, in short steps, and memory for the keys of the levels above and one byte a level.
 */
export function* jsonTextViolations(text: string): Generator<void, readonly Violation[]> {
  const { error, repeated } = yield* scan(text);
  if (error === undefined) return repeated.map((path) => ({ path, message: "must be given once" }));
  return [{ path: "/body", message: `must be JSON: ${messageOf(text, error)}` }];
}

/** The index of the first character that cannot stand there, and what could. */
interface TextError {
  readonly at: number;
  readonly expected: string;
}

interface Scan {
  readonly error?: TextError;
  /** JSON pointers. */
  readonly repeated: readonly string[];
}

/** Reads the whole text in one loop, since a function that calls itself would end on the depth that a client sends. */
function* scan(text: string): Generator<void, Scan> {
  const repeated: string[] = [];
  /** The closing character of each open level. */
  let closers = new Uint8Array(64);
  let depth = 0;
  /** Of each compared level: its keys so far, the key whose value is being read, in a list none, and the index. */
  const keys: Set<string>[] = [];
  const current: (string | undefined)[] = [];
  const indexes = new Uint32Array(maxComparedLevel);
  let at = skipSpace(text, 0);

  for (let values = 1; ; values += 1) {
    if (values % valuesPerStep === 0) yield;
    const first = codeAt(text, at);
    let readsKey = false;
    if (first === openBrace || first === openBracket) {
      const closer = first === openBrace ? closeBrace : closeBracket;
      at = skipSpace(text, at + 1);
      if (codeAt(text, at) === closer) at += 1;
      else {
        if (depth === closers.length) closers = grown(closers);
        closers[depth] = closer;
        if (depth < maxComparedLevel) {
          current[depth] = undefined;
          indexes[depth] = 0;
          if (first === openBrace) (keys[depth] ??= new Set()).clear();
        }
        depth += 1;
        if (first === openBracket) continue;
        readsKey = true;
      }
    } else {
      const end = endOfScalar(text, at, first);
      if (end < 0) return { error: { at: ~end, expected: expectedInScalar(text, at, ~end) }, repeated };
      at = end;
    }

    // Behind a value, or before the first key of an object.
    while (!readsKey) {
      at = skipSpace(text, at);
      const next = codeAt(text, at);
      if (depth === 0) {
        return at === text.length ? { repeated } : { error: { at, expected: "the end" }, repeated };
      }
      const closer = closers[depth - 1];
      if (next === closer) {
        depth -= 1;
        at += 1;
      } else if (next !== comma) {
        return { error: { at, expected: closer === closeBrace ? "',' or '}'" : "',' or ']'" }, repeated };
      } else {
        at = skipSpace(text, at + 1);
        if (closer === closeBrace) readsKey = true;
        else {
          indexes[depth - 1] = (indexes[depth - 1] ?? 0) + 1;
          break;
        }
      }
    }
    if (!readsKey) continue;

    if (codeAt(text, at) !== quote) return { error: { at, expected: "a key in double quotes" }, repeated };
    const end = endOfString(text, at);
    if (end < 0) return { error: { at: ~end, expected: expectedInScalar(text, at, ~end) }, repeated };
    if (depth <= maxComparedLevel && repeated.length < maxRepeated) {
      const key = keyFrom(text, at, end);
      const known = keys[depth - 1];
      current[depth - 1] = key;
      if (known?.has(key) === true) repeated.push(pointerTo(current.slice(0, depth), indexes));
      else known?.add(key);
    }
    at = skipSpace(text, end);
    if (codeAt(text, at) !== colon) return { error: { at, expected: "':'" }, repeated };
    at = skipSpace(text, at + 1);
  }
}

function grown(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const larger = new Uint8Array(2 * bytes.length);
  larger.set(bytes);
  return larger;
}

/** The UTF-16 code unit at an index; -1 at the end, where `charCodeAt` makes V8 compute with NaN, and slowly. */
function codeAt(text: string, at: number): number {
  return at < text.length ? text.charCodeAt(at) : -1;
}

function skipSpace(text: string, start: number): number {
  let at = start;
  for (;;) {
    const code = codeAt(text, at);
    if (code !== space && code !== lineFeed && code !== carriageReturn && code !== tab) return at;
    at += 1;
  }
}

/** The index behind the string, number or name that starts at `at` with `first`; else the inverse of where it fails. */
export function endOfScalar(text: string, at: number, first: number): number {
  if (first === quote) return endOfString(text, at);
  if (first === minus || isDigit(first)) return endOfNumber(text, at);
  const name = names.find((it) => it.charCodeAt(0) === first);
  if (name === undefined) return ~at;
  if (text.startsWith(name, at)) return at + name.length;
  let wrong = at + 1;
  while (codeAt(text, wrong) === codeAt(name, wrong - at)) wrong += 1;
  return ~wrong;
}

const names = ["true", "false", "null"] as const;

function endOfString(text: string, start: number): number {
  let at = start + 1;
  for (;;) {
    const code = codeAt(text, at);
    if (code === quote) return at + 1;
    if (code === backslash) {
      const next = codeAt(text, at + 1);
      if (next === letterU) {
        for (let digit = at + 2; digit < at + 6; digit += 1)
          if (!isHexDigit(codeAt(text, digit))) return ~digit;
        at += 6;
      } else if (isShortEscape(next)) at += 2;
      else return ~(at + 1);
    } else if (code >= space) at += 1;
    else return ~at;
  }
}

/** RFC 8259 §7: `"`, `\`, `/`, `b`, `f`, `n`, `r` and `t`. */
function isShortEscape(code: number): boolean {
  return (
    code === quote ||
    code === backslash ||
    code === 0x2f ||
    code === 0x62 ||
    code === 0x66 ||
    code === 0x6e ||
    code === 0x72 ||
    code === 0x74
  );
}

function endOfNumber(text: string, start: number): number {
  let at = codeAt(text, start) === minus ? start + 1 : start;
  if (codeAt(text, at) === zero) at += 1;
  else if ((at = endOfDigits(text, at)) < 0) return at;
  if (codeAt(text, at) === dot && (at = endOfDigits(text, at + 1)) < 0) return at;
  // Either case of the letter.
  if ((codeAt(text, at) | 0x20) !== letterE) return at;
  const sign = codeAt(text, at + 1);
  return endOfDigits(text, sign === plus || sign === minus ? at + 2 : at + 1);
}

/** The index behind at least one digit. */
function endOfDigits(text: string, start: number): number {
  let at = start;
  while (isDigit(codeAt(text, at))) at += 1;
  return at === start ? ~at : at;
}

function isDigit(code: number): boolean {
  return code >= zero && code <= nine;
}

function isHexDigit(code: number): boolean {
  const letter = code | 0x20;
  return isDigit(code) || (letter >= 0x61 && letter <= 0x66);
}

/** The key that stands, in quotes, between two indexes. */
function keyFrom(text: string, start: number, end: number): string {
  const key = text.slice(start + 1, end - 1);
  return key.includes("\\") ? String(JSON.parse(text.slice(start, end))) : key;
}

/** The JSON pointer of a place; a level without a key is a list. */
function pointerTo(keys: readonly (string | undefined)[], indexes: Uint32Array): string {
  return ["/body", ...keys.map((key, level) => escapePointer(key ?? String(indexes[level])))].join("/");
}

/** What was expected at `wrong` within the string, number or name that starts at `start`. */
function expectedInScalar(text: string, start: number, wrong: number): string {
  const first = codeAt(text, start);
  if (first === minus || isDigit(first)) return "a digit";
  if (first !== quote) return wrong === start ? "a value" : "true, false or null";
  if (wrong >= text.length) return "the rest of a string";
  if (codeAt(text, wrong - 1) === backslash) return 'one of "\\/bfnrtu after a backslash';
  return codeAt(text, wrong) < space ? "an escape sequence" : "a hexadecimal digit";
}

/** Line and column count from 1, the column in characters. */
function messageOf(text: string, { at, expected }: TextError): string {
  if (text === "") return "the body is empty";
  let line = 1;
  let column = 1;
  for (let index = 0; index < at; index += 1) {
    const code = codeAt(text, index);
    const endsLine = code === lineFeed || (code === carriageReturn && codeAt(text, index + 1) !== lineFeed);
    if (endsLine) [line, column] = [line + 1, 1];
    else if (!isLowSurrogate(code)) column += 1;
  }
  return `expected ${expected} instead of ${shownAt(text, at)} at line ${line}, column ${column}`;
}

/** The second half of a character beyond U+FFFF. */
function isLowSurrogate(code: number): boolean {
  return code >= 0xdc00 && code <= 0xdfff;
}

/** The character at an index: visible ASCII as it is, everything else by its code point, since it may show as nothing. */
function shownAt(text: string, at: number): string {
  const code = text.codePointAt(at);
  if (code === undefined) return "the end";
  const character = String.fromCodePoint(code);
  return /[!-~]/.test(character) ? `'${character}'` : `U+${code.toString(16).toUpperCase().padStart(4, "0")}`;
}
