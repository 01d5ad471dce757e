import type { Socket } from "node:net";
import type { Expected } from "./download.ts";
import { answerOf, head, s3Error } from "./raw-store.ts";
import type { RawAnswer } from "./raw-store.ts";

/** A file of many chunks, no two of its bytes in a row alike. */
export const bytes = Buffer.from(Array.from({ length: 300_000 }, (_, i) => (i * 31 + (i >> 8)) & 0xff));

/** Bytes of the same length that are not the file. */
export const otherBytes = Buffer.from(bytes).reverse();

/** Something a store may do when it is asked for the whole file. */
export type StoreFault = readonly [what: string, expected: Expected, answer: RawAnswer];

const sound = answerOf("200 OK", bytes);
const headLength = sound.length - bytes.length;

const write =
  (answer: Buffer | string): RawAnswer =>
  (socket) =>
    void socket.write(answer);

const deaths: readonly [how: string, die: (socket: Socket) => void][] = [
  ["closes", (socket) => socket.end()],
  ["resets", (socket) => socket.resetAndDestroy()],
];

const offsets: readonly [where: string, offset: number, expected: Expected][] = [
  ["before the first byte", 0, 503],
  ["in the status line", 9, 503],
  ["in the headers", headLength - 8, 503],
  ["after the headers", headLength, 503],
  ["after one byte", headLength + 1, 503],
  ["in the middle", headLength + bytes.length / 2, "failure"],
  ["before the last byte", sound.length - 1, "failure"],
];

const partings: readonly StoreFault[] = offsets.flatMap(([where, offset, expected]) =>
  deaths.map(([how, die]): StoreFault => [
    `${how} the connection ${where}`,
    expected,
    (socket) => {
      socket.write(sound.subarray(0, offset), () => die(socket));
    },
  ]),
);

/** Those that take as long as the gateway bears silence. */
export const silences: readonly StoreFault[] = [
  ...offsets.map(([where, offset, expected]): StoreFault => [
    `falls silent ${where}`,
    expected,
    write(sound.subarray(0, offset)),
  ]),
  ["falls silent in its error", 503, write(s3Error("403 Forbidden", "AccessDenied").subarray(0, -10))],
  ["continues for ever", 503, write(head("100 Continue"))],
];

const page = "<html><body>secret-of-the-store</body></html>";

const wrongAnswers: readonly StoreFault[] = [
  ["sends other bytes", "failure", write(answerOf("200 OK", otherBytes))],
  ["sends fewer bytes", 500, write(answerOf("200 OK", bytes.subarray(1)))],
  ["sends more bytes", 500, write(answerOf("200 OK", Buffer.concat([bytes, Buffer.of(0)])))],
  ["sends nothing at all", 500, write(answerOf("200 OK", ""))],
  ["sends an error of S3 with status 200", 500, write(s3Error("200 OK", "InternalError"))],
  ["sends a page with status 200", 500, write(answerOf("200 OK", page))],
  [
    "announces more than it sends before it closes the connection",
    "failure",
    (socket) => socket.end(sound.subarray(0, sound.length - 10)),
  ],
  ["announces less than it sends", 500, write(answerOf("200 OK", bytes, { "Content-Length": 1000 }))],
  ["announces no number", 503, write(answerOf("200 OK", bytes, { "Content-Length": "many" }))],
  [
    "announces two lengths",
    503,
    write(head("200 OK", { "Content-Length": bytes.length, "content-length": 5 })),
  ],
  [
    "announces no length and sends chunks",
    500,
    write(head("200 OK", { "Transfer-Encoding": "chunked" }) + "5\r\nhello\r\n0\r\n\r\n"),
  ],
  ["announces no length and closes", 500, (socket) => socket.end(head("200 OK") + "hello")],
  ["sends no content", 500, write(head("204 No Content"))],
  ["says that nothing was modified", 500, write(head("304 Not Modified"))],
  [
    "sends a part in place of the whole",
    500,
    write(
      answerOf("206 Partial Content", bytes, {
        "Content-Range": `bytes 0-${bytes.length - 1}/${bytes.length + 1}`,
      }),
    ),
  ],
  ["speaks another protocol", 503, write("SSH-2.0-OpenSSH_10.0\r\n\r\n")],
  ["sends headers without end", 503, write(`${head("200 OK").trimEnd()}\r\nX: ${"x".repeat(50_000)}`)],
  ["sends headers that cannot be read", 500, write(answerOf("200 OK", bytes, { "Last-Modified": "then" }))],
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
  `answers ${status.slice(0, 3)} ${code}`,
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
  `answers ${status.slice(0, 3)} with a page that is not S3's`,
  expected,
  write(answerOf(status, `${page}<`, { Location: "http://127.0.0.1:1/" })),
]);

/** Far more than anybody says of an error; as there might be more to come, only who stops reading is done with it. */
const longPages: readonly StoreFault[] = (
  [
    ["403 Forbidden", 500],
    ["404 Not Found", 500],
    ["500 Internal Server Error", 503],
  ] as const
).map(([status, expected]) => [
  `answers ${status.slice(0, 3)} with a page of 1 MiB that goes on`,
  expected,
  write(head(status) + "<Error><Code>NoSuchKey</Code>".padEnd(1024 * 1024)),
]);

/** Those that are over at once. */
export const promptFaults: readonly StoreFault[] = [
  ...partings,
  ...wrongAnswers,
  ...errors,
  ...pages,
  ...longPages,
];
