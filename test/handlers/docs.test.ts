import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { parse } from "yaml";
import { contractFrom, loadContract } from "../../src/contract.ts";
import { renderPage } from "../../src/docs/render-page.ts";
import { suite } from "../support/gateway.ts";
import { sendPath } from "../support/raw-http.ts";
import { callsDuring, startStack } from "../support/stack.ts";

const read = (place: string) => readFileSync(new URL(place, import.meta.url), "utf8");
const { document } = loadContract();

/** What is served, where it comes from, and as what. */
const files: [path: string, type: string, content: string][] = [
  ["/v1/openapi.yaml", "application/yaml", read("../../openapi/gateway.v1.yaml")],
  ["/v1/openapi.json", "application/json; charset=utf-8", JSON.stringify(document)],
  ["/docs", "text/html; charset=utf-8", renderPage(document)],
  ["/docs/page.css", "text/css; charset=utf-8", read("../../src/docs/page/page.css")],
  ["/docs/theme.js", "text/javascript; charset=utf-8", read("../../src/docs/page/theme.js")],
  ["/docs/page.js", "text/javascript; charset=utf-8", read("../../src/docs/page/page.js")],
];

describe("docs", () => {
  const stack = suite(() => startStack());

  for (const [path, type, content] of files)
    describe(`GET ${path}`, () => {
      it("responds with the file, without a token and without a call", async () => {
        const calls = await callsDuring(stack().upstream, async () => {
          for (const headers of [{}, { Authorization: "Bearer wrong" }]) {
            const response = await sendPath(stack().gateway.url, path, { headers });
            assert.equal(response.status, 200);
            assert.equal(response.body, content);
            assert.equal(response.headers["content-type"], type);
            assert.equal(response.headers["content-length"], String(Buffer.byteLength(content)));
            assert.equal(response.headers["content-encoding"], undefined);
            assert.equal(response.headers["cache-control"], "public, no-cache");
            assert.equal(response.headers["x-content-type-options"], "nosniff");
            assert.equal(response.headers.vary, "Accept-Encoding");
          }
        });
        assert.deepEqual(calls, []);
      });

      for (const coding of ["br", "gzip"])
        it(`compresses with ${coding} if the client accepts it`, async () => {
          const response = await stack().gateway.fetch(path, { headers: { "Accept-Encoding": coding } });
          assert.equal(response.headers.get("content-encoding"), coding);
          assert.equal(response.headers.get("vary"), "Accept-Encoding");
          assert.ok(Number(response.headers.get("content-length")) < Buffer.byteLength(content));
          assert.equal(await response.text(), content);
        });

      it("responds with 304 to a client that has it, in any coding", async () => {
        const tags = new Set<string | null>();
        for (const coding of ["identity", "gzip", "br"]) {
          const headers = { "Accept-Encoding": coding };
          const first = await stack().gateway.fetch(path, { method: "HEAD", headers });
          const etag = first.headers.get("etag");
          tags.add(etag);
          for (const method of ["GET", "HEAD"]) {
            const again = await sendPath(stack().gateway.url, path, {
              method,
              headers: { ...headers, "If-None-Match": String(etag) },
            });
            assert.equal(again.status, 304);
            assert.equal(again.body, "");
            assert.equal(again.headers.etag, etag);
            assert.equal(again.headers["cache-control"], "public, no-cache");
            assert.equal(again.headers.vary, "Accept-Encoding");
          }
        }
        assert.equal(tags.size, 1);
        const other = await stack().gateway.fetch(path, { headers: { "If-None-Match": '"other"' } });
        assert.equal(other.status, 200);
        await other.text();
      });

      for (const coding of ["identity", "br"])
        it(`responds to HEAD with the headers of GET in ${coding}`, async () => {
          const headersOf = async (method: string) => {
            const { status, headers, body } = await sendPath(stack().gateway.url, path, {
              method,
              headers: { "Accept-Encoding": coding },
            });
            assert.equal(body === "", method === "HEAD");
            return { status, ...headers, date: undefined, "x-request-id": undefined };
          };
          assert.deepEqual(await headersOf("HEAD"), await headersOf("GET"));
        });
    });

  it("lets only the page run its files and call this gateway", async () => {
    const policyOf = async (path: string) => {
      const { headers } = await sendPath(stack().gateway.url, path);
      return String(headers["content-security-policy"]).split(/; ?/);
    };
    assert.deepEqual(await policyOf("/docs"), [
      "default-src 'none'",
      "script-src 'self'",
      "style-src 'self'",
      "img-src data:",
      "connect-src 'self'",
      "base-uri 'none'",
      "form-action 'none'",
      "frame-ancestors 'none'",
      "require-trusted-types-for 'script'",
      "trusted-types 'none'",
    ]);
    for (const path of [...files.map(([path]) => path), "/docs/none.js", "/v1/healthz"])
      if (path !== "/docs")
        assert.deepEqual(await policyOf(path), ["default-src 'none'", "frame-ancestors 'none'"], path);
  });

  describe("GET /docs/{file}", () => {
    for (const [name, status, code] of [
      ["none.js", 404, "NOT_FOUND"],
      ["index.html", 404, "NOT_FOUND"],
      ["quick-start.sh", 404, "NOT_FOUND"],
      ["constructor", 404, "NOT_FOUND"],
      ["__proto__", 400, "INVALID_ARGUMENT"],
      ["..%2fpage.js", 400, "INVALID_ARGUMENT"],
      ["%2e%2e%2f%2e%2e%2fpackage.json", 400, "INVALID_ARGUMENT"],
      ["..%5cpage.js", 400, "INVALID_ARGUMENT"],
      ["page.js%00", 400, "INVALID_ARGUMENT"],
      ["%2fetc%2fpasswd", 400, "INVALID_ARGUMENT"],
      ["PAGE.JS", 400, "INVALID_ARGUMENT"],
      ["..", 400, "INVALID_ARGUMENT"],
      ["../reference/page.js", 404, "NOT_FOUND"],
    ] as const)
      it(`responds with ${status} to the name ${JSON.stringify(name)}`, async () => {
        const response = await sendPath(stack().gateway.url, `/docs/${name}`);
        assert.equal(response.status, status);
        const error = JSON.parse(response.body);
        assert.equal(error.code, code);
        assert.match(error.trace_id, /^[0-9a-f]{32}$/);
        assert.equal(response.headers.etag, undefined);
      });
  });

  describe("with another contract", () => {
    const { document } = loadContract();
    document.info.title = "Another gateway";
    const other = suite(() => startStack({}, {}, { contract: contractFrom(document) }));

    it("serves it", async () => {
      const yaml = await other().gateway.fetch("/v1/openapi.yaml", { token: null });
      assert.deepEqual(parse(await yaml.text()), document);
      const json = await other().gateway.fetch("/v1/openapi.json", { token: null });
      assert.deepEqual(await json.json(), document);
    });

    it("has another ETag for it and for the page, and the same ones for its files", async () => {
      for (const [path, isSame] of [
        ["/v1/openapi.yaml", false],
        ["/v1/openapi.json", false],
        ["/docs", false],
        ["/docs/page.css", true],
      ] as const) {
        const [mine, theirs] = await Promise.all(
          [stack(), other()].map(({ gateway }) => gateway.fetch(path, { method: "HEAD" })),
        );
        assert.equal(mine!.headers.get("etag") === theirs!.headers.get("etag"), isSame, path);
      }
    });
  });
});
