import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import express from "express";
import { createMessageClasses } from "../../src/http/message-classes.ts";

describe("createMessageClasses", () => {
  it("creates requests and responses whose prototypes Express does not change, with its members", async () => {
    const app = express();
    const server = createServer(createMessageClasses(app), app).listen(0, "127.0.0.1");
    let prototypes: unknown[] = [];
    server.prependListener("request", (...messages) => {
      prototypes = messages.map(Object.getPrototypeOf);
    });
    app.use((req, res) => {
      const isSame = [req, res].every((message, i) => Object.getPrototypeOf(message) === prototypes[i]);
      const isOfApp = req.app === app && res.app === app;
      res.status(201).json({ host: req.get("Host"), isSame, isOfApp });
    });
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const response = await fetch(`http://127.0.0.1:${port}`);
    server.close();
    assert.equal(response.status, 201);
    assert.deepEqual(await response.json(), { host: `127.0.0.1:${port}`, isSame: true, isOfApp: true });
  });
});
