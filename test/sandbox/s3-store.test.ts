import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import type { RequestListener } from "node:http";
import { text } from "node:stream/consumers";
import { DeleteBucketCommand, DeleteObjectCommand, GetObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { openS3Store } from "../../src/sandbox/s3-store.ts";
import { SettingsError } from "../../src/sandbox/settings.ts";
import type { S3Settings } from "../../src/sandbox/settings.ts";
import { suite } from "../support/gateway.ts";
import { sendS3Error, startTestStore } from "../support/object-store.ts";
import { describeWithRealS3 } from "../support/s3-servers.ts";

async function assertUnusable(settings: S3Settings, reason: string) {
  await assert.rejects(openS3Store(settings), (error) => {
    assert.ok(error instanceof SettingsError);
    assert.ok(error.message.includes(`(${reason})`), error.message);
    assert.ok(!error.message.includes(settings.secretAccessKey));
    return true;
  });
}

describe("openS3Store", () => {
  const server = suite(startTestStore);
  const settings = () => ({
    endpoint: server().url,
    region: "eu",
    bucket: "designs",
    accessKeyId: "id",
    secretAccessKey: "s3cret",
  });

  /** Handles HEAD and PUT with `listeners`; returns the requests received while `act` ran. */
  async function requestsDuring(
    listeners: Record<"HEAD" | "PUT", RequestListener>,
    act: () => Promise<void>,
  ) {
    server().respond = (req, res) => listeners[req.method as "HEAD" | "PUT"](req, res);
    const before = server().requests.length;
    await act();
    return server().requests.slice(before);
  }
  const missing: RequestListener = (_req, res) => res.writeHead(404).end();
  const open = async () => (await openS3Store(settings())).close();

  it("finds its bucket, and writes an object with its type into it", async () => {
    const written = Promise.withResolvers<unknown[]>();
    const put: RequestListener = (req, res) =>
      void text(req).then((body) => {
        written.resolve([body, req.headers["content-type"]]);
        res.end();
      });
    const requests = await requestsDuring({ HEAD: (_req, res) => res.end(), PUT: put }, async () => {
      const store = await openS3Store(settings());
      assert.deepEqual([store.url, store.bucket], [server().url, "designs"]);
      await store.put("artifacts/a.pdb", Buffer.from("ATOM"), "chemical/x-pdb");
      await store.close();
    });
    assert.deepEqual(requests, ["HEAD /designs/", "PUT /designs/artifacts/a.pdb"]);
    assert.deepEqual(await written.promise, ["ATOM", "chemical/x-pdb"]);
  });

  it("creates its bucket where it is missing, also when somebody else has just done it", async () => {
    for (const PUT of [
      (_req, res) => res.end(),
      (_req, res) => sendS3Error(res, 409, "BucketAlreadyOwnedByYou"),
    ] satisfies RequestListener[])
      assert.deepEqual(await requestsDuring({ HEAD: missing, PUT }, open), [
        "HEAD /designs/",
        "PUT /designs/",
      ]);
  });

  it("rejects where the bucket may not be read or created, or nobody listens, and reports no secret", async () => {
    await requestsDuring(
      { HEAD: (_req, res) => res.writeHead(403).end(), PUT: (_req, res) => res.end() },
      () => assertUnusable(settings(), "status 403"),
    );
    await requestsDuring(
      { HEAD: missing, PUT: (_req, res) => sendS3Error(res, 409, "BucketAlreadyExists") },
      () => assertUnusable(settings(), "status 409"),
    );
    await assertUnusable({ ...settings(), endpoint: "http://127.0.0.1:1" }, "ECONNREFUSED");
  });
});

describeWithRealS3("openS3Store", (access) => {
  it("creates its bucket, writes, and finds both again", async () => {
    const own = { ...access, bucket: `foldforge-${randomUUID()}` };
    const [Bucket, Key] = [own.bucket, "artifacts/odd name+%2F&é.pdb"];
    for (const body of ["first", "second"]) {
      const store = await openS3Store(own);
      await store.put(Key, Buffer.from(body), "chemical/x-pdb");
      await store.close();
    }
    const { endpoint, region, accessKeyId, secretAccessKey } = access;
    const credentials = { accessKeyId, secretAccessKey };
    const client = new S3Client({ endpoint, region, credentials, forcePathStyle: true });
    const object = await client.send(new GetObjectCommand({ Bucket, Key }));
    assert.deepEqual(
      [await object.Body?.transformToString(), object.ContentType],
      ["second", "chemical/x-pdb"],
    );
    await client.send(new DeleteObjectCommand({ Bucket, Key }));
    await client.send(new DeleteBucketCommand({ Bucket }));
    client.destroy();
  });

  it("rejects where the secret is wrong", () =>
    assertUnusable({ ...access, secretAccessKey: "hunter2-hunter2" }, "status 403"));
});
