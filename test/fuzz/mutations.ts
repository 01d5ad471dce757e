import fc from "fast-check";
import type { Arbitrary } from "fast-check";
import { unusualHeaders } from "./unusual-headers.ts";
import { unusualPaths, unusualQueries } from "./unusual-targets.ts";
import type { WireRequest } from "./wire-request.ts";

/** A change of a request. */
export interface Mutation {
  readonly apply: (request: WireRequest) => WireRequest;
}

const mutatedTarget = fc.oneof(unusualPaths, unusualQueries).map((change): Mutation => {
  return { apply: (request) => ({ ...request, target: change(request.target) }) };
});

const addedHeaders = fc.array(unusualHeaders, { minLength: 1, maxLength: 3 }).map((more): Mutation => {
  return { apply: (request) => ({ ...request, headers: [...request.headers, ...more] }) };
});

const replacedHeader = unusualHeaders.map(([name, value]): Mutation => {
  function apply(request: WireRequest): WireRequest {
    const others = request.headers.filter(([own]) => own.toLowerCase() !== name.toLowerCase());
    return { ...request, headers: [...others, [name, value]] };
  }
  return { apply };
});

const removedHeader = fc.nat(5).map((at): Mutation => {
  return {
    apply: (request) => ({ ...request, headers: request.headers.filter((_, index) => index !== at) }),
  };
});

const methods = [
  ...["GET", "HEAD", "POST", "DELETE", "PUT", "OPTIONS", "TRACE", "CONNECT"],
  ...["get", "Get", "GETT", "FOO", "", "G\0T", "GET/", "PRI", "\xffGET", "A".repeat(5000)],
];

const changedMethod = fc.constantFrom(...methods).map((method): Mutation => {
  return { apply: (request) => ({ ...request, method }) };
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

const changedVersion = fc.constantFrom(...versions).map((version): Mutation => {
  return { apply: (request) => ({ ...request, version }) };
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

const changedBody = fc
  .record({ body: fc.option(bodies, { nil: undefined }), isChunked: fc.boolean() })
  .map((change): Mutation => ({ apply: (request) => ({ ...request, ...change }) }));

/** Any of the mutations. */
export const mutations: Arbitrary<Mutation> = fc.oneof(
  { arbitrary: mutatedTarget, weight: 3 },
  { arbitrary: fc.oneof(addedHeaders, replacedHeader, removedHeader), weight: 4 },
  changedMethod,
  changedVersion,
  changedBody,
);
