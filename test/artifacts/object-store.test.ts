import assert from "node:assert/strict";
import { once } from "node:events";
import { buffer } from "node:stream/consumers";
import { createObjectStore } from "../../src/artifacts/object-store.ts";
import type { ObjectStore } from "../../src/artifacts/object-store.ts";
import { Code } from "@connectrpc/connect";
import { HttpError } from "../../src/errors/http-error.ts";
import type { S3Settings } from "../../src/sandbox/settings.ts";
import { suite } from "../support/gateway.ts";
import { wholeShares } from "../support/key-shares.ts";
import { sendS3Error, startTestStore } from "../support/object-store.ts";
import { describeWithS3 } from "../support/s3-servers.ts";

const { signal } = new AbortController();
const bytes = Buffer.from("0123456789abcdef");
const key = "artifacts/odd name+%2F&é.pdb";

function storeWith(access: S3Settings, readTimeoutMs = 30_000, maxDownloads = 100): ObjectStore {
  return createObjectStore(
    { ...access, connectTimeoutMs: 30_000, readTimeoutMs, maxDownloads },
    wholeShares("downloads"),
  );
}

const storeAt = (endpoint: string, readTimeoutMs?: number) =>
  storeWith(
    { endpoint, region: "auto", bucket: "foldforge", accessKeyId: "id", secretAccessKey: "secret" },
    readTimeoutMs,
  );

/** The code of the error with which opening an object fails. */
async function errorCode(store: Pick<ObjectStore, "open">): Promise<Code> {
  try {
    await store.open(key, { signal });
  } catch (error) {
    assert.ok(error instanceof HttpError);
    assert.equal(error.message, "internal server error");
    assert.ok(error.cause instanceof Error);
    return error.code;
  }
  return assert.fail("the object was opened");
}

describeWithS3("createObjectStore", (server) => {
  const store = suite(async () => {
    await server().put(key, bytes, "chemical/x-pdb");
    const { open, close } = storeWith(server().access);
    return { open, close: () => Promise.resolve(close()) };
  });

  it("opens an object with its length", async () => {
    const object = await store().open(key, { signal });
    assert.equal(object?.length, bytes.length);
    assert.equal(object.contentRange, undefined);
    assert.deepEqual(await buffer(object.body), bytes);
  });

  for (const [start, end, text] of [
    [0, 0, "0"],
    [2, 5, "2345"],
    [10, 15, "abcdef"],
  ] as const)
    it(`opens the bytes ${start} to ${end}`, async () => {
      const object = await store().open(key, { range: { start, end }, signal });
      assert.equal(object?.length, text.length);
      assert.equal(object.contentRange, `bytes ${start}-${end}/${bytes.length}`);
      assert.equal((await buffer(object.body)).toString(), text);
    });

  it("rejects downloads above the limit, and counts only those that are open", async () => {
    const { open, close } = storeWith(server().access, undefined, 2);
    const next = () => open(key, { signal });
    // Failed requests do not count.
    for (let i = 0; i < 3; i++) await open("artifacts/none", { signal });
    for (let i = 0; i < 3; i++) await assert.rejects(open(key, { signal: AbortSignal.abort() }));
    for (let i = 0; i < 3; i++) {
      const opened = await Promise.all([next(), next()]);
      await assert.rejects(next(), { code: Code.Unavailable, message: /too many downloads/ });
      const [read, unread] = opened.map((object) => object!.body);
      await buffer(read!);
      const closed = once(unread!, "close");
      unread!.destroy();
      await closed;
    }
    close();
  });

  it("resolves to undefined for an object that does not exist", async () => {
    assert.equal(await store().open("artifacts/none", { signal }), undefined);
  });
});

describe("createObjectStore", () => {
  describe("with a failing store", () => {
    const failing = suite(startTestStore);
    const startStore = (readTimeoutMs?: number) => () => {
      const { open, close } = storeAt(failing().url, readTimeoutMs);
      return Promise.resolve({ open, close: () => Promise.resolve(close()) });
    };
    const store = suite(startStore());
    const impatientStore = suite(startStore(200));

    for (const [status, code, meaning] of [
      [403, "AccessDenied", Code.Internal],
      [503, "SlowDown", Code.Unavailable],
    ] as const)
      it(`rejects with ${Code[meaning]} on ${status} ${code}`, async () => {
        failing().respond = (_req, res) => sendS3Error(res, status, code);
        assert.equal(await errorCode(store()), meaning);
      });

    it("resolves to undefined on NoSuchKey", async () => {
      failing().respond = (_req, res) => sendS3Error(res, 404, "NoSuchKey");
      assert.equal(await store().open(key, { signal }), undefined);
    });

    it("retries a transient failure once", async () => {
      let isFirst = true;
      failing().respond = (_req, res) => {
        if (isFirst) sendS3Error(res, 503, "SlowDown");
        else res.end(bytes);
        isFirst = false;
      };
      const store = storeAt(failing().url);
      const object = await store.open(key, { signal });
      assert.deepEqual(await buffer(object!.body), bytes);
      store.close();
    });

    it("rejects with Unavailable without a response, and when the connection breaks", async () => {
      failing().respond = () => undefined;
      assert.equal(await errorCode(impatientStore()), Code.Unavailable);
      failing().respond = (_req, res) => void res.destroy();
      assert.equal(await errorCode(store()), Code.Unavailable);
    });

    for (const [what, storeThat, interrupt] of [
      ["becomes idle", impatientStore, () => undefined],
      ["breaks off", store, (res: { destroy(): void }) => res.destroy()],
    ] as const)
      it(`fails a transfer that ${what}`, async () => {
        failing().respond = (_req, res) => {
          res.writeHead(200, { "Content-Length": bytes.length });
          res.write(bytes.subarray(0, 8), () => interrupt(res));
        };
        const object = await storeThat().open(key, { signal });
        assert.equal(object?.length, bytes.length);
        await assert.rejects(buffer(object.body));
      });

    it("aborts the request when the client disconnects, and ends a transfer whose body is destroyed", async () => {
      const gone = new AbortController();
      failing().respond = () => gone.abort();
      await assert.rejects(store().open(key, { signal: gone.signal }));

      const controller = new AbortController();
      const closed = Promise.withResolvers<undefined>();
      failing().respond = (_req, res) => {
        res.once("close", () => closed.resolve(undefined));
        res.writeHead(200, { "Content-Length": bytes.length });
        res.write(bytes.subarray(0, 8));
      };
      const object = await store().open(key, { signal: controller.signal });
      object?.body.destroy();
      await closed.promise;
    });
  });

  it("rejects with Unavailable when the connection is refused", async () => {
    const gone = await startTestStore();
    const { url } = gone;
    await gone.close();
    const store = storeAt(url);
    assert.equal(await errorCode(store), Code.Unavailable);
    store.close();
  });

  it("signs its requests", async () => {
    const failing = await startTestStore();
    const request = Promise.withResolvers<Record<string, unknown>>();
    failing.respond = (req, res) => {
      request.resolve(req.headers);
      res.end(bytes);
    };
    const store = storeAt(failing.url);
    const object = await store.open(key, { range: { start: 1, end: 2 }, signal });
    const { authorization, range } = await request.promise;
    assert.match(String(authorization), /^AWS4-HMAC-SHA256 Credential=id\/\d{8}\/auto\/s3\/aws4_request, /);
    assert.ok(!String(authorization).includes("secret"));
    assert.equal(range, "bytes=1-2");
    object?.body.destroy();
    await once(object!.body, "close");
    store.close();
    await failing.close();
  });
});
