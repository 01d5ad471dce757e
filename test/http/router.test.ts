import assert from "node:assert/strict";
import express from "express";
import { dispatch } from "../../src/http/router.ts";
import { suite } from "../support/gateway.ts";
import { sendPath } from "../support/raw-http.ts";
import { serve } from "../support/serve.ts";

const routes = [
  "/things",
  "/things/:id",
  "/things/search",
  "/things/:id/parts",
  "/things/:id/parts/:part",
  "/things/:id/files/*key",
  "/other/:id/last",
];

describe("dispatch", () => {
  const server = suite(async () => {
    const app = express();
    const entries = routes.map((route) => ({
      route,
      router: express.Router().use((_req, res) => void res.send(route)),
    }));
    app.use(dispatch(entries), (_req, res) => void res.send("none"));
    const { url, close } = await serve(app);
    return { url, close: () => close(0) };
  });

  for (const [path, route] of [
    ["/things", "/things"],
    ["/things?a=/things/search", "/things"],
    ["/things/7", "/things/:id"],
    ["/things/search", "/things/search"],
    ["/things/search/parts", "/things/:id/parts"],
    ["/things/7/parts", "/things/:id/parts"],
    ["/things/7/parts/8", "/things/:id/parts/:part"],
    ["/things/7/files/a", "/things/:id/files/*key"],
    ["/things/7/files/a/b/c", "/things/:id/files/*key"],
    ["/other/7/last", "/other/:id/last"],
    ["/", "none"],
    ["/thing", "none"],
    ["/Things", "none"],
    ["/things/7/parts/8/9", "none"],
    ["/other", "none"],
    ["/other/7", "none"],
    ["/other/7/last/", "none"],
    [`/${"/".repeat(8000)}`, "none"],
  ] as const)
    it(`leads ${path.slice(0, 40)} to ${route}`, async () => {
      const answer = await sendPath(server().url, path);
      assert.equal(answer.body, route);
    });
});
