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
} from "./json-codes.ts";
import { endOfScalar, valuesPerStep } from "./json-text.ts";

/**
 * What `text` says, which is known to be JSON, in short steps. `JSON.parse` may say something else where a key has an
 * escape: V8 13.6 takes it for a key of an object that it has parsed before, of whatever request. After `{"a":1,"\\":2}` it
 * reads `{"a":1,"\u03b2":2}` as the same.
 */
export function* parseInSteps(text: string): Generator<void, unknown> {
  const builder = new Builder();
  let values = 0;
  for (let at = 0; at < text.length;) {
    const first = text.charCodeAt(at);
    // Where the text is known to be JSON, these only separate values.
    if (first <= space || first === comma || first === colon) {
      at += 1;
      continue;
    }
    let end = at + 1;
    if (first === openBrace) builder.beginObject();
    else if (first === openBracket) builder.beginList();
    else if (first === closeBrace || first === closeBracket) builder.end();
    else {
      end = endOfScalar(text, at, first);
      builder.add(scalar(text.slice(at, end), first));
    }
    at = end;
    values += 1;
    if (values % valuesPerStep === 0) yield;
  }
  return builder.value;
}

/** A list that is not at its end: where its items begin among those of all such lists, and the key that it is for. */
class OpenList {
  readonly start: number;
  readonly key: string | undefined;

  constructor(start: number, key: string | undefined) {
    this.start = start;
    this.key = key;
  }
}

/** Puts a value together from what its text has one after another. */
class Builder {
  #value: unknown;
  readonly #open: (Record<string, unknown> | OpenList)[] = [];
  /** Those of all open lists. A list is made at its end: one that grows takes many times the memory of its items. */
  readonly #items: unknown[] = [];
  /** In an object, the key of the value that comes next. */
  #key: string | undefined;

  /** The whole, at the end. */
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

  /** Ends the object or list that has begun last. */
  end(): void {
    const ended = this.#open.pop();
    if (!(ended instanceof OpenList)) return;
    const list = this.#items.slice(ended.start);
    this.#items.length = ended.start;
    this.#key = ended.key;
    this.add(list);
  }

  /** Adds a value to what is open, or a key. */
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

/** The string, number or name that a text is, which begins with `first`. */
function scalar(text: string, first: number): string | number | boolean | null {
  if (first === quote && !text.includes("\\")) return text.slice(1, -1);
  // A number begins with a minus or a digit, a name with a letter.
  if (first > quote && first <= nine) return Number(text);
  return JSON.parse(text) as string | boolean | null;
}

function setOwn(object: Record<string, unknown>, key: string, value: unknown): void {
  if (key !== "__proto__") object[key] = value;
  // An assignment would set the prototype.
  else Object.defineProperty(object, key, { value, configurable: true, enumerable: true, writable: true });
}
