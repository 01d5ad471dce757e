import { maxViolations } from "../errors/http-error.ts";
import type { Violation } from "../errors/http-error.ts";
import { didYouMean } from "../nearest-name.ts";
import { escapePointer } from "./json-pointer.ts";

// This file is long because the scanner and its error messages share the same grammar.

// The characters of JSON (RFC 8259 §2).
const tab = 0x09;
const lineFeed = 0x0a;
const carriageReturn = 0x0d;
export const space = 0x20;
export const quote = 0x22;
const plus = 0x2b;
export const comma = 0x2c;
const minus = 0x2d;
const dot = 0x2e;
const zero = 0x30;
export const nine = 0x39;
export const colon = 0x3a;
export const openBracket = 0x5b;
const backslash = 0x5c;
export const closeBracket = 0x5d;
const letterE = 0x65;
const letterU = 0x75;
export const openBrace = 0x7b;
export const closeBrace = 0x7d;

/** Deepest level whose keys are compared. The rules reject what is nested deeper. */
const maxComparedLevel = 40;

/** Values, or characters of one string, that are read in one slice, which takes at most a few milliseconds. */
export const valuesPerStep = 4096;
export const charactersPerStep = 64 * 1024;

/**
 * The maximum number of values and keys. Each takes memory and time of its own, however short it is. Those of a body of
 * 1 MiB cannot be more, so a larger limit on bodies leaves room for longer strings only.
 */
const maxValues = 524_288;

/** The maximum number of repeated keys that are reported. It exceeds that of violations, since pointers may be equal. */
const maxRepeated = 10 * maxViolations;

/**
 * Why `text` is not a JSON text with one meaning: the first syntax error (RFC 8259) with its line and column, or else
 * every key that occurs more than once in its object (§4); or why it is too large. Accepts the syntax that `JSON.parse`
 * accepts. Takes linear time, in short slices, and memory for the keys of the open levels and one byte for each level.
 */
export function* jsonTextViolations(text: string): Generator<void, readonly Violation[]> {
  const { tooLarge, error, repeated } = yield* scan(text);
  if (tooLarge !== undefined) return [{ path: "/body", message: tooLarge }];
  if (error === undefined) return repeated.map((path) => ({ path, message: "must be given once" }));
  return [{ path: "/body", message: `must be JSON: ${yield* messageOf(text, error)}` }];
}

/** The index of the first character that is not allowed, and what is expected there. */
interface SyntaxViolation {
  readonly at: number;
  readonly expected: string;
}

interface ScanResult {
  /** The message about what is too large. */
  readonly tooLarge?: string;
  readonly error?: SyntaxViolation;
  /** JSON pointers of repeated keys. */
  readonly repeated: readonly string[];
}

const tooManyValues = `must have at most ${maxValues} values and keys; store large parameters as a string`;
const keyTooLong = `must have keys of at most ${charactersPerStep} characters`;

/** Scans the text in one loop: recursion would overflow the stack at a depth that the client chooses. */
function* scan(text: string): Generator<void, ScanResult> {
  const repeated: string[] = [];
  /** The closing character of each open level. */
  let closers = new Uint8Array(64);
  let depth = 0;
  // For each compared level: its keys so far, the current key (undefined in a list), and the current index.
  const keys: Set<string>[] = [];
  const current: (string | undefined)[] = [];
  const indexes = new Uint32Array(maxComparedLevel);
  let at = skipSpace(text, 0);

  let keyCount = 0;
  for (let values = 1; ; values += 1) {
    if (values % valuesPerStep === 0) yield;
    if (values + keyCount > maxValues) return { tooLarge: tooManyValues, repeated };
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
      const end = endOfScalar(text, at, first) ?? (yield* endOfLongString(text, at));
      if (end < 0) return { error: { at: ~end, expected: expectedInScalar(text, at, ~end) }, repeated };
      at = end;
    }

    // After a value, or before the first key of an object.
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
    if (end === undefined) return { tooLarge: keyTooLong, repeated };
    if (end < 0) return { error: { at: ~end, expected: expectedInScalar(text, at, ~end) }, repeated };
    keyCount += 1;
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

/** The UTF-16 code unit at an index; -1 at the end, where `charCodeAt` would return NaN, which V8 handles slowly. */
function codeAt(text: string, at: number): number {
  return at < text.length ? text.charCodeAt(at) : -1;
}

function skipSpace(text: string, start: number): number {
  let at = start;
  for (;;) {
    const code = codeAt(text, at);
    if (code !== space && code !== lineFeed && code !== carriageReturn && code !== tab) return at;
    at += 1;
    if (at - start === maxLoopLength) return skipLongSpace(text, at);
  }
}

/** Up to this length, a loop is faster than a regular expression. */
const maxLoopLength = 64;

/** Takes a quarter of the time of a loop. */
function skipLongSpace(text: string, start: number): number {
  const notSpace = /[^ \n\r\t]/g;
  notSpace.lastIndex = start;
  return notSpace.exec(text)?.index ?? text.length;
}

/**
 * The index after the string, number or literal that starts at `at` with `first`; for a syntax error, the bitwise
 * complement of its index; undefined for a long string.
 */
export function endOfScalar(text: string, at: number, first: number): number | undefined {
  if (first === quote) return endOfString(text, at);
  if (first === minus || isDigit(first)) return endOfNumber(text, at);
  const literal = literals.find((it) => it.charCodeAt(0) === first);
  if (literal === undefined) return ~at;
  if (text.startsWith(literal, at)) return at + literal.length;
  let wrong = at + 1;
  while (codeAt(text, wrong) === codeAt(literal, wrong - at)) wrong += 1;
  return ~wrong;
}

const literals = ["true", "false", "null"] as const;

/** The same for a string. */
function endOfString(text: string, start: number): number | undefined {
  const end = endOfPart(text, start + 1);
  return end < 0 ? end : codeAt(text, end) === quote ? end + 1 : undefined;
}

/** The same for a long string, in short slices. */
function* endOfLongString(text: string, start: number): Generator<void, number> {
  let at = start + 1;
  for (;;) {
    at = endOfPart(text, at);
    if (at < 0) return at;
    if (codeAt(text, at) === quote) return at + 1;
    yield;
  }
}

/**
 * Reads the characters of a string from `start` on, as many as one slice may take. Returns the index of the next one,
 * which is the closing quote at the end of the string; for a syntax error, the bitwise complement of its index.
 */
export function endOfPart(text: string, start: number): number {
  const end = start + charactersPerStep;
  let at = start;
  for (;;) {
    const code = codeAt(text, at);
    if (code === quote || at >= end) return at;
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

/** The index after one or more digits. */
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

/** The key whose quoted text lies between two indexes. */
function keyFrom(text: string, start: number, end: number): string {
  const key = text.slice(start + 1, end - 1);
  return key.includes("\\") ? String(JSON.parse(text.slice(start, end))) : key;
}

/** The JSON pointer from the current keys; a level without a key is a list. */
function pointerTo(keys: readonly (string | undefined)[], indexes: Uint32Array): string {
  return ["/body", ...keys.map((key, level) => escapePointer(key ?? String(indexes[level])))].join("/");
}

/** What is expected at `wrong` within the string, number or literal that starts at `start`. */
function expectedInScalar(text: string, start: number, wrong: number): string {
  const first = codeAt(text, start);
  if (first === minus || isDigit(first)) return "a digit";
  if (first !== quote) return wrong === start ? "a value" : "true, false or null";
  if (wrong >= text.length) return "the rest of a string";
  if (codeAt(text, wrong - 1) === backslash) return 'one of "\\/bfnrtu after a backslash';
  return codeAt(text, wrong) < space ? "an escape sequence" : "a hexadecimal digit";
}

/** The column counts code points, and line and column start at 1. */
function* messageOf(text: string, { at, expected }: SyntaxViolation): Generator<void, string> {
  if (text === "") return "the body is empty";
  let line = 1;
  let column = 1;
  for (let index = 0; index < at; index += 1) {
    if (index % charactersPerStep === charactersPerStep - 1) yield;
    const code = codeAt(text, index);
    const endsLine = code === lineFeed || (code === carriageReturn && codeAt(text, index + 1) !== lineFeed);
    if (endsLine) [line, column] = [line + 1, 1];
    else if (!isLowSurrogate(code)) column += 1;
  }
  const word = expected === "a value" ? wordAt(text, at) : undefined;
  const meant = word === undefined ? "" : didYouMean(word, literals);
  return `expected ${expected} instead of ${word ?? shownAt(text, at)} at line ${line}, column ${column}${meant}`;
}

/** The short word at an index, such as the `NaN` and `True` that Python writes; undefined if there is none. */
function wordAt(text: string, at: number): string | undefined {
  return /^[A-Za-z]{2,16}(?![A-Za-z])/.exec(text.slice(at, at + 17))?.[0];
}

/** Whether it is the second half of a code point above U+FFFF. */
function isLowSurrogate(code: number): boolean {
  return code >= 0xdc00 && code <= 0xdfff;
}

/** The character at an index: visible ASCII as it is, any other by its code point, as it may be invisible. */
function shownAt(text: string, at: number): string {
  const code = text.codePointAt(at);
  if (code === undefined) return "the end";
  const character = String.fromCodePoint(code);
  return /[!-~]/.test(character) ? `'${character}'` : `U+${code.toString(16).toUpperCase().padStart(4, "0")}`;
}
