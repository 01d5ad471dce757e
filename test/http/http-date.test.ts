import assert from "node:assert/strict";
import { parseHttpDate } from "../../src/http/http-date.ts";

describe("parseHttpDate", () => {
  const now = Date.parse("2026-01-05T09:00:00Z");

  for (const [text, time] of [
    ["Sun, 06 Nov 1994 08:49:37 GMT", "1994-11-06T08:49:37Z"],
    ["Sunday, 06-Nov-94 08:49:37 GMT", "1994-11-06T08:49:37Z"],
    ["Sun Nov  6 08:49:37 1994", "1994-11-06T08:49:37Z"],
    ["Wed Nov 16 08:49:37 1994", "1994-11-16T08:49:37Z"],
    ["Thu, 29 Feb 2024 00:00:00 GMT", "2024-02-29T00:00:00Z"],
    // No more than 50 years ahead.
    ["Monday, 05-Jan-76 09:00:00 GMT", "2076-01-05T09:00:00Z"],
    ["Monday, 05-Jan-77 09:00:00 GMT", "1977-01-05T09:00:00Z"],
  ] as const)
    it(`reads ${text}`, () => assert.equal(parseHttpDate(text, now), Date.parse(time) / 1000));

  for (const text of [
    "",
    "yesterday",
    "2026",
    "2026-01-05T09:00:00Z",
    "1767603600",
    "Mon, 05 Jan 2026 09:00:00 +0000",
    "Mon, 05 Jan 2026 09:00:00 UTC",
    "mon, 05 jan 2026 09:00:00 gmt",
    "Mon, 5 Jan 2026 09:00:00 GMT",
    "Mon, 05 Foo 2026 09:00:00 GMT",
    "Mon, 32 Jan 2026 09:00:00 GMT",
    "Mon, 30 Feb 2026 09:00:00 GMT",
    "Mon, 05 Jan 2026 25:00:00 GMT",
    "Mon, 05 Jan 2026 09:60:00 GMT",
    "Mon, 05 Jan 2026 09:00:00 GMT, Mon, 05 Jan 2026 09:00:00 GMT",
  ])
    it(`reads no date in ${JSON.stringify(text)}`, () => assert.equal(parseHttpDate(text, now), undefined));
});
