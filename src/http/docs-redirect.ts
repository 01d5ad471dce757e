import type { Path } from "../contract.ts";
import type { Middleware } from "./stages.ts";

/**
 * Leads from `/` and `/docs/` to the page of the documentation, where `paths` has it; from `/`, a client that prefers
 * JSON to HTML to the OpenAPI document. The status is 302, which no browser keeps: `/` may lead elsewhere one day. The
 * locations are relative, for a proxy that puts a prefix before the paths.
 */
export function docsRedirect(paths: readonly Path[]): Middleware {
  if (!paths.some(({ template }) => template === "/docs")) return (_req, _res, next) => next();
  return function docsRedirect(req, res, next) {
    const isRead = req.method === "GET" || req.method === "HEAD";
    if (!isRead || (req.path !== "/" && req.path !== "/docs/")) return next();
    const prefersJson = req.accepts("html", "json") === "json";
    const location = prefersJson ? "v1/openapi.json" : "docs";
    res.vary("Accept");
    res
      .status(302)
      .set("Location", req.path === "/" ? location : "../docs")
      .end();
  };
}
