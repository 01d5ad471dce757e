import type { Socket } from "node:net";
import type { Expected } from "./download.ts";
import { responseOf, headersOf, s3Error } from "./raw-store.ts";
import type { RawResponder } from "./raw-store.ts";

/** A file of many chunks, without two equal bytes in a row. */
export const bytes = Buffer.from(Array.from({ length: 300_000 }, (_, i) => (i * 31 + (i >> 8)) & 0xff));

/** Other bytes of the same length. */
export const otherBytes = Buffer.from(bytes).reverse();

/** A fault of the store on a request for the whole file. */
export type StoreFault = readonly [what: string, expected: Expected, respond: RawResponder];

const valid = responseOf("200 OK", bytes);
const headersLength = valid.length - bytes.length;

const write =
  (response: Buffer | string): RawResponder =>
  (socket) =>
    void socket.write(response);

const closings: readonly [how: string, closeSocket: (socket: Socket) => void][] = [
  ["closes", (socket) => socket.end()],
  ["resets", (socket) => socket.resetAndDestroy()],
];

const offsets: readonly [where: string, offset: number, expected: Expected][] = [
  ["before the first byte", 0, 503],
  ["in the status line", 9, 503],
  ["in the headers", headersLength - 8, 503],
  ["after the headers", headersLength, 503],
  ["after one byte", headersLength + 1, 503],
  ["in the middle", headersLength + bytes.length / 2, "failure"],
  ["before the last byte", valid.length - 1, "failure"],
];

const disconnects: readonly StoreFault[] = offsets.flatMap(([where, offset, expected]) =>
  closings.map(([how, closeSocket]): StoreFault => [
    `${how} the connection ${where}`,
    expected,
    (socket) => {
      socket.write(valid.subarray(0, offset), () => closeSocket(socket));
    },
  ]),
);

/** Faults that take as long as the idle timeout. */
export const idleFaults: readonly StoreFault[] = [
  ...offsets.map(([where, offset, expected]): StoreFault => [
    `sends nothing more ${where}`,
    expected,
    write(valid.subarray(0, offset)),
  ]),
  [
    "sends nothing more in an error body",
    503,
    write(s3Error("403 Forbidden", "AccessDenied").subarray(0, -10)),
  ],
  ["sends only 100 Continue", 503, write(headersOf("100 Continue"))],
];

const page = "<html><body>secret-of-the-store</body></html>";

const wrongResponses: readonly StoreFault[] = [
  ["sends other bytes", "failure", write(responseOf("200 OK", otherBytes))],
  ["sends fewer bytes", 500, write(responseOf("200 OK", bytes.subarray(1)))],
  ["sends more bytes", 500, write(responseOf("200 OK", Buffer.concat([bytes, Buffer.of(0)])))],
  ["sends nothing at all", 500, write(responseOf("200 OK", ""))],
  ["sends an error of S3 with status 200", 500, write(s3Error("200 OK", "InternalError"))],
  ["sends an HTML page with status 200", 500, write(responseOf("200 OK", page))],
  [
    "announces more than it sends before it closes the connection",
    "failure",
    (socket) => socket.end(valid.subarray(0, valid.length - 10)),
  ],
  ["announces less than it sends", 500, write(responseOf("200 OK", bytes, { "Content-Length": 1000 }))],
  ["announces an invalid length", 503, write(responseOf("200 OK", bytes, { "Content-Length": "many" }))],
  [
    "announces two lengths",
    503,
    write(headersOf("200 OK", { "Content-Length": bytes.length, "content-length": 5 })),
  ],
  [
    "announces no length and sends chunks",
    500,
    write(headersOf("200 OK", { "Transfer-Encoding": "chunked" }) + "5\r\nhello\r\n0\r\n\r\n"),
  ],
  ["announces no length and closes", 500, (socket) => socket.end(headersOf("200 OK") + "hello")],
  ["sends no content", 500, write(headersOf("204 No Content"))],
  ["sends 304", 500, write(headersOf("304 Not Modified"))],
  [
    "sends a part in place of the whole",
    500,
    write(
      responseOf("206 Partial Content", bytes, {
        "Content-Range": `bytes 0-${bytes.length - 1}/${bytes.length + 1}`,
      }),
    ),
  ],
  ["speaks SSH", 503, write("SSH-2.0-OpenSSH_10.0\r\n\r\n")],
  ["sends headers without end", 503, write(`${headersOf("200 OK").trimEnd()}\r\nX: ${"x".repeat(50_000)}`)],
  ["sends invalid headers", 500, write(responseOf("200 OK", bytes, { "Last-Modified": "then" }))],
];

const errors: readonly StoreFault[] = (
  [
    ["404 Not Found", "NoSuchKey", 404],
    ["404 Not Found", "NoSuchBucket", 500],
    ["503 Slow Down", "SlowDown", 503],
    ["503 Service Unavailable", "ServiceUnavailable", 503],
    ["500 Internal Server Error", "InternalError", 503],
    ["429 Too Many Requests", "TooManyRequests", 503],
    ["400 Bad Request", "RequestTimeout", 503],
    ["403 Forbidden", "AccessDenied", 500],
    ["403 Forbidden", "SignatureDoesNotMatch", 500],
    ["403 Forbidden", "InvalidAccessKeyId", 500],
    ["403 Forbidden", "RequestTimeTooSkewed", 500],
    ["400 Bad Request", "ExpiredToken", 500],
    ["400 Bad Request", "InvalidArgument", 500],
    ["416 Range Not Satisfiable", "InvalidRange", 500],
    ["301 Moved Permanently", "PermanentRedirect", 500],
    ["307 Temporary Redirect", "TemporaryRedirect", 500],
  ] as const
).map(([status, code, expected]) => [
  `responds with ${status.slice(0, 3)} ${code}`,
  expected,
  write(s3Error(status, code)),
]);

const pages: readonly StoreFault[] = (
  [
    ["404 Not Found", 500],
    ["400 Bad Request", 500],
    ["403 Forbidden", 500],
    ["302 Found", 500],
    ["502 Bad Gateway", 503],
  ] as const
).map(([status, expected]) => [
  `responds with ${status.slice(0, 3)} and an HTML page`,
  expected,
  write(responseOf(status, `${page}<`, { Location: "http://127.0.0.1:1/" })),
]);

/** More than the longest error body; it has no end, so that a gateway that reads on never responds. */
const longPages: readonly StoreFault[] = (
  [
    ["403 Forbidden", 500],
    ["404 Not Found", 500],
    ["500 Internal Server Error", 503],
  ] as const
).map(([status, expected]) => [
  `responds with ${status.slice(0, 3)} and an endless page`,
  expected,
  write(headersOf(status) + "<Error><Code>NoSuchKey</Code>".padEnd(1024 * 1024)),
]);

/** Faults that end at once. */
export const promptFaults: readonly StoreFault[] = [
  ...disconnects,
  ...wrongResponses,
  ...errors,
  ...pages,
  ...longPages,
];
