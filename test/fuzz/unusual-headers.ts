import fc from "fast-check";
import type { Arbitrary } from "fast-check";
import type { Header } from "./wire-request.ts";

const split = (text: string) => text.split(" ");

/** Values that are unusual for every header. */
const anyValues = [
  ...[
    "",
    " ",
    "a\tb",
    "\0",
    "\r\n folded",
    "a".repeat(257),
    "a".repeat(5000),
    "a".repeat(17_000),
    "a,".repeat(2000),
  ],
  ...split(", ; = 0 -1 null * \" ' \x80 \xff\xfe \x7f ( {} __proto__ %00 1e400"),
];

const trace = "4bf92f3577b34da6a3ce929d0e0e4736";
const span = "00f067aa0ba902b7";

/** Values that are unusual for a specific header, by its name. */
const unusualByName: Readonly<Record<string, readonly string[]>> = {
  Authorization: [
    ...["Bearer", "bearer", "Bearer  x", "Bearer \x80", "Bearer a, Bearer b", "Bearer null"],
    "Basic YWRtaW46YWRtaW4=",
  ],
  "Content-Type": [
    ...split(
      "application/json;charset=utf-16 application/json;; application/json\x80 text/json */* application/*",
    ),
    ...split('multipart/form-data / ; application/json;charset="utf-8 application/vnd.a+json json'),
    ...["application/json; charset=", "application/json; charset=utf-8; charset=utf-16"],
  ],
  "Content-Encoding": [...split("gzip deflate br identity x-gzip zstd"), "gzip, gzip"],
  // No valid length: the server would wait for a body that is shorter.
  "Content-Length": [...split("-1 abc 1e3 0x5 5,5 99999999999999999999 +5"), "5 5"],
  "Transfer-Encoding": split("gzip identity chunked,gzip xchunked gzip,chunked chunked;a=b"),
  TE: split("chunked xchunked trailers,deflate;q=0.5 gzip;q=2"),
  Expect: split("100-continue 200-ok 100-Continue,x"),
  Connection: [...split("close keep-alive Upgrade keep-alive,close Authorization Host"), "x".repeat(300)],
  Upgrade: split("websocket h2c HTTP/2.0 TLS/1.0"),
  "HTTP2-Settings": ["AAMAAABkAARAAAAAAAIAAAAA"],
  Host: ["", "a b", ...split("evil.example:99999 [::1 gateway,other user@gateway .. gateway/v2")],
  Range: [
    ...split("bytes= bytes=- bytes=0- bytes=-1 bytes=-0 bytes=5-2 bytes=0-0,2-3 bytes=9999999999- lines=1-2"),
    ...split("bytes=0-99999999999999999999999 bytes=18446744073709551616- bytes=a-b bytes=0-1;q=1"),
    ...["bytes = 0-1", `bytes=${"0-1,".repeat(60)}`],
  ],
  "If-Range": [...split('W/"a" "a ""'), "Mon, 01 Jan 2024 00:00:00 GMT"],
  "If-None-Match": [...split('* "a W/"a" *,* "\xff"'), '"a",'.repeat(1000)],
  "If-Match": [...split('* "a" W/"a" a "a *,* "\xff"'), '"a",'.repeat(1000)],
  "If-Unmodified-Since": [
    "yesterday",
    "0",
    "Mon, 01 Jan 2024 00:00:00 GMT",
    "Monday, 01-Jan-24 00:00:00 GMT",
  ],
  "If-Modified-Since": ["yesterday", "Mon, 01 Jan 2024 00:00:00 GMT"],
  "Last-Event-ID": split("18446744073709551615 18446744073709551616 -1 1e3 0x1 +1 1.0 00000000000000000001"),
  "Idempotency-Key": ["\x7f", "\xc3\xa9", "a\tb", "a".repeat(256)],
  Prefer: [
    ...split('wait wait= wait=-1 wait=1e3 wait=99999999999999999999 wait=" wait;wait=5 ,, =wait wait=٣'),
    ...['wait="60", wait=1', `wait=${"9".repeat(1000)}`, `${"wait=1,".repeat(150)}x`, '"\\"'.repeat(200)],
  ],
  traceparent: [
    `00-${"0".repeat(32)}-${"0".repeat(16)}-00`,
    `ff-${trace}-${span}-01`,
    `00-${trace}-${span}-01-more`,
    `01-${trace}-${span}-01-more`,
    `00-${trace.toUpperCase()}-${span}-01`,
  ],
  tracestate: ["a=b", "a=b,".repeat(200), "=", "\x80"],
  Accept: split("text/html application/xml */*;q=0 a/b;q=x"),
  "Accept-Encoding": split("identity;q=0 *;q=0 br gzip;q=0.001 br;q=2 br;q=x ;q=1 GZIP br,br,br"),
  Cookie: ["a=b; __proto__=c", "a".repeat(4000)],
  Origin: split("null https://evil.example"),
  "Access-Control-Request-Method": ["DELETE"],
  "X-HTTP-Method-Override": split("DELETE PUT"),
  "X-Forwarded-Host": ["evil.example"],
  "ff-principal": ["somebody-else"],
  "grpc-timeout": ["1n"],
  "grpc-status": ["0"],
  "x-odd-bin": ["!!!"],
  ["__proto__"]: [],
  constructor: [],
  "a b": [],
  "a\x80": [],
  "": [],
  "a:b": [],
  "\tfolded": [],
};

const headers = Object.entries(unusualByName).map(([name, own]) =>
  [...own, ...own, ...anyValues].map((value): Header => [name, value]),
);

/** A header with an unusual name, value or purpose. */
export const unusualHeaders: Arbitrary<Header> = fc.oneof(...headers.map((own) => fc.constantFrom(...own)));
