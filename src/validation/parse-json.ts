import {
  space,
  quote,
  comma,
  nine,
  colon,
  openBracket,
  closeBracket,
  openBrace,
  closeBrace,
  charactersPerStep,
  endOfPart,
  endOfScalar,
  valuesPerStep,
} from "./json-text-violations.ts";

/**
 * Parses `text`, which must be valid JSON, in short slices. `JSON.parse` may return wrong keys: V8 13.6 can take a key with
 * an escape for a key of an object that it parsed earlier, even for another request. After `{"a":1,"\\":2}` it reads
 * `{"a":1,"\u03b2":2}` as the same object.
 */
export function* parseJson(text: string): Generator<void, unknown> {
  const builder = new Builder();
  let values = 0;
  for (let at = 0; at < text.length;) {
    const first = text.charCodeAt(at);
    // In valid JSON, these only separate values.
    if (first <= space || first === comma || first === colon) {
      at += 1;
      if (at % charactersPerStep === 0) yield;
      continue;
    }
    let end = at + 1;
    if (first === openBrace) builder.beginObject();
    else if (first === openBracket) builder.beginList();
    else if (first === closeBrace || first === closeBracket) builder.end();
    else {
      const scalarEnd = endOfScalar(text, at, first);
      if (scalarEnd === undefined) end = yield* addLongString(text, at, builder);
      else {
        end = scalarEnd;
        builder.add(scalar(text.slice(at, end), first));
      }
    }
    at = end;
    values += 1;
    if (values % valuesPerStep === 0) yield;
  }
  return builder.value;
}

/** Adds the long string that starts at `start`, in short slices. Returns the index after it. */
function* addLongString(text: string, start: number, builder: Builder): Generator<void, number> {
  let value = "";
  for (let at = start + 1; ;) {
    const end = endOfPart(text, at);
    value += String(scalar(`"${text.slice(at, end)}"`, quote));
    yield;
    if (text.charCodeAt(end) === quote) {
      builder.add(value);
      return end + 1;
    }
    at = end;
  }
}

/** A list whose end is not reached: the index of its first item in `Builder.#items`, and the key that the list is for. */
class OpenList {
  readonly start: number;
  readonly key: string | undefined;

  constructor(start: number, key: string | undefined) {
    this.start = start;
    this.key = key;
  }
}

/** Builds a value from the tokens of its text. */
class Builder {
  #value: unknown;
  readonly #open: (Record<string, unknown> | OpenList)[] = [];
  /** The items of all open lists. A list is created at its end: growing it takes many times the memory of its items. */
  readonly #items: unknown[] = [];
  /** In an object, the key of the next value. */
  #key: string | undefined;

  /** The complete value, after the last token. */
  get value(): unknown {
    return this.#value;
  }

  beginObject(): void {
    const object = {};
    this.add(object);
    this.#open.push(object);
  }

  beginList(): void {
    this.#open.push(new OpenList(this.#items.length, this.#key));
    this.#key = undefined;
  }

  /** Ends the innermost open object or list. */
  end(): void {
    const ended = this.#open.pop();
    if (!(ended instanceof OpenList)) return;
    const list = this.#items.slice(ended.start);
    this.#items.length = ended.start;
    this.#key = ended.key;
    this.add(list);
  }

  /** Adds a value, or the next key of an object, to the innermost open object or list. */
  add(value: unknown): void {
    const parent = this.#open.at(-1);
    if (parent === undefined) this.#value = value;
    else if (parent instanceof OpenList) this.#items.push(value);
    else if (this.#key === undefined) this.#key = value as string;
    else {
      setOwn(parent, this.#key, value);
      this.#key = undefined;
    }
  }
}

/** The value of a string, number or literal whose text begins with `first`. */
function scalar(text: string, first: number): string | number | boolean | null {
  if (first === quote && !text.includes("\\")) return text.slice(1, -1);
  // A number begins with a minus or a digit, a literal with a letter.
  if (first > quote && first <= nine) return Number(text);
  return JSON.parse(text) as string | boolean | null;
}

function setOwn(object: Record<string, unknown>, key: string, value: unknown): void {
  if (key !== "__proto__") object[key] = value;
  // An assignment to `__proto__` would set the prototype.
  else Object.defineProperty(object, key, { value, configurable: true, enumerable: true, writable: true });
}
