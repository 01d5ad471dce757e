import fc from "fast-check";
import type { Arbitrary } from "fast-check";

/** Changes a request target. */
export type Change = (target: string) => string;

const split = (text: string) => text.split(" ");

/** Pieces to append to a path or to insert into it. */
const pieces = [
  ...split("% %z %zz %E0%A4%A %C0%AF %ED%A0%80 %00 %0d%0a %u0041 %2e%2e %25%32%65 %5c %C3%A9 %F0%9F%98%80"),
  ...split(
    "/ // /. /.. /../.. /%2e%2e/ ;a=b # #x #?x \\ \\.. \x80 \xff\xfe \0 \t { {id} ' \" <script> | ^ `",
  ),
  ...split("/artifacts/ /events /retry /rank /events/ /billing/balance /../docs/page.css"),
  " ",
];

const targets = ["", ...split("* http://gateway http:// gateway:80 / // /// ? /? # /% v1/healthz")];

const prefixes = split(
  "http://gateway HTTPS://u:p@other:1 HTTPS://other:1 http:// http://:80 http://[::1] ftp://gateway //gateway /. /v1/.. http:",
);

const lengths = [128, 1024, 7000, 8100, 8192, 9000, 17_000, 40_000];

/** Changes of the path. */
export const unusualPaths: Arbitrary<Change> = fc.oneof(
  { arbitrary: fc.constantFrom(...pieces).map(afterPath), weight: 3 },
  { arbitrary: fc.tuple(fc.nat(60), fc.constantFrom(...pieces)).map(inserted), weight: 2 },
  fc.constantFrom(...targets).map(
    (other): Change =>
      () =>
        other,
  ),
  fc.constantFrom(...prefixes).map(
    (prefix): Change =>
      (target) =>
        prefix + target,
  ),
  fc.constantFrom(...lengths).map(
    (length): Change =>
      (target) =>
        target.padEnd(length, "a"),
  ),
  fc.constant<Change>((target) => target.toUpperCase()),
);

function afterPath(piece: string): Change {
  return (target) => target.replace(/\?|$/, (mark) => piece + mark);
}

function inserted([at, piece]: [number, string]): Change {
  return (target) => target.slice(0, at) + piece + target.slice(at);
}

const queries = [
  ...["", ...split("& &&& = == a =a % %FF=%FF a=%C0%AF a=\0 \xff=\xfe %E0%A4%A=1 */* a=<>\"' ? ??a=b a[]=b")],
  ...split(
    "label label= label== label=a label=%00=b label[]=a=b label[0]=a=b label=a=b=c label=a=b&label=a=b",
  ),
  ...split("label=__proto__=x label=constructor=x label=%ED%A0%80=a label=%F0%9F%98%80=a"),
  ...split(
    "page_size page_size= page_size=1&page_size=2 page_size=1e400 page_size=9007199254740993 page_size=-0",
  ),
  ...split("page_size=%31 page%5fsize=1 page_size=1%00 page_size=1;state=RUNNING page_size=٣ page_size=1#"),
  ...split(
    "page_token=%ED%A0%80 page_token=%F0%9F%98%80 page_token=+ page_token= page_token=&page_token= lastEventId=1 lastEventId= lastEventId=x state=running state=0",
  ),
  ...split("__proto__=1 __proto__[a]=1 constructor[prototype][a]=1 toString=1 access_token=admin"),
  ...split("validate_only validate_only=TRUE validate_only=1 validate_only=true&validate_only=true"),
  ...split("limit limit= limit=0 limit=200 limit=201 limit=1e2 limit=020 limit=1&limit=2"),
  "a=b c",
];

const repeated = split("label=a=b a label=k page_size=1");

/** Changes of the query. */
export const unusualQueries: Arbitrary<Change> = fc
  .oneof(
    { arbitrary: fc.constantFrom(...queries), weight: 5 },
    fc.tuple(fc.constantFrom(2, 64, 65, 600), fc.constantFrom(...repeated)).map(many),
  )
  .map((query) => (target) => `${target}${target.includes("?") ? "&" : "?"}${query}`);

function many([count, pair]: [number, string]): string {
  return Array.from({ length: count }, (_, index) => (index % 2 === 0 ? pair : `${pair}${index}`)).join("&");
}
