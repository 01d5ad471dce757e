import fc from "fast-check";
import type { Arbitrary } from "fast-check";
import { oddHeaders } from "./odd-headers.ts";
import { oddPaths, oddQueries } from "./odd-targets.ts";
import type { WireRequest } from "./wire.ts";

/** A change that makes a request odd. */
export interface Twist {
  readonly of: (request: WireRequest) => WireRequest;
}

const twistedTarget = fc.oneof(oddPaths, oddQueries).map((change): Twist => {
  return { of: (request) => ({ ...request, target: change(request.target) }) };
});

const moreHeaders = fc.array(oddHeaders, { minLength: 1, maxLength: 3 }).map((more): Twist => {
  return { of: (request) => ({ ...request, headers: [...request.headers, ...more] }) };
});

const otherHeader = oddHeaders.map(([name, value]): Twist => {
  function of(request: WireRequest): WireRequest {
    const others = request.headers.filter(([own]) => own.toLowerCase() !== name.toLowerCase());
    return { ...request, headers: [...others, [name, value]] };
  }
  return { of };
});

const lostHeader = fc.nat(5).map((at): Twist => {
  return { of: (request) => ({ ...request, headers: request.headers.filter((_, index) => index !== at) }) };
});

const methods = [
  ...["GET", "HEAD", "POST", "DELETE", "PUT", "OPTIONS", "TRACE", "CONNECT"],
  ...["get", "Get", "GETT", "FOO", "", "G\0T", "GET/", "PRI", "\xffGET", "A".repeat(5000)],
];

const otherMethod = fc.constantFrom(...methods).map((method): Twist => {
  return { of: (request) => ({ ...request, method }) };
});

const versions = [
  "HTTP/1.0",
  "HTTP/1.2",
  "HTTP/0.9",
  "HTTP/2.0",
  "HTTP/9.9",
  "http/1.1",
  "HTTP/1.1 x",
  "",
  "ICE/1.0",
];

const otherVersion = fc.constantFrom(...versions).map((version): Twist => {
  return { of: (request) => ({ ...request, version }) };
});

const mebibyte = 1024 * 1024;

const texts = [
  "\xef\xbb\xbf{}",
  '\xef\xbb\xbf{"metric":"m","metric":"m"}',
  "\xc0\xaf",
  "\xed\xa0\x80",
  '"\xff"',
  "null",
  "[]",
  '"',
  "\0",
  "{",
  "a=b",
  "--x\r\n",
];

const smallBodies = fc.oneof(
  fc.uint8Array({ maxLength: 100 }).map((bytes) => Buffer.from(bytes)),
  fc.string().map((text) => Buffer.from(text, "utf16le")),
  fc.constantFrom(...texts).map((text) => Buffer.from(text, "latin1")),
);

const bodies = fc.oneof(
  { arbitrary: smallBodies, weight: 15 },
  fc.constantFrom(-1, 0, 1, mebibyte).map((more) => Buffer.alloc(mebibyte + more, " ")),
);

const otherBody = fc
  .record({ body: fc.option(bodies, { nil: undefined }), isChunked: fc.boolean() })
  .map((change): Twist => ({ of: (request) => ({ ...request, ...change }) }));

/** One way to twist a request, of all that the fuzz knows. */
export const twists: Arbitrary<Twist> = fc.oneof(
  { arbitrary: twistedTarget, weight: 3 },
  { arbitrary: fc.oneof(moreHeaders, otherHeader, lostHeader), weight: 4 },
  otherMethod,
  otherVersion,
  otherBody,
);
