import { startObjectStore } from "../../src/sandbox/object-store.ts";
import type { ObjectStore } from "../../src/sandbox/object-store.ts";
import { openS3Store } from "../../src/sandbox/s3-store.ts";
import type { S3Settings } from "../../src/sandbox/settings.ts";
import { suite } from "./gateway.ts";
import type { TestSettings } from "./gateway.ts";

/** An S3 server with the objects of a test. */
export interface S3Server extends Pick<ObjectStore, "put" | "close"> {
  /** How to reach it. */
  readonly access: S3Settings;
}

/** The server that the environment names, if any. */
export function realS3(): S3Settings | undefined {
  const { env } = process;
  const endpoint = env["TEST_S3_ENDPOINT"];
  if (!endpoint) return undefined;
  return {
    endpoint,
    region: env["TEST_S3_REGION"] || "us-east-1",
    bucket: env["TEST_S3_BUCKET"] || "foldforge",
    accessKeyId: env["TEST_S3_ACCESS_KEY_ID"] ?? "",
    secretAccessKey: env["TEST_S3_SECRET_ACCESS_KEY"] ?? "",
  };
}

async function startSandboxStore(): Promise<S3Server> {
  const { url, bucket, put, close } = await startObjectStore({ host: "127.0.0.1", port: 0 });
  const access = { endpoint: url, region: "auto", bucket, accessKeyId: "any", secretAccessKey: "any" };
  return { access, put, close };
}

/** A `describe` of tests that need a real S3 server, which are skipped if the environment names none. */
export function describeWithRealS3(title: string, tests: (access: S3Settings) => void): void {
  const access = realS3();
  describe(`${title}, with a real S3 server`, () => {
    if (access !== undefined) return tests(access);
    it("is skipped without TEST_S3_ENDPOINT", function () {
      console.log("      skipped: TEST_S3_ENDPOINT names no S3 server");
      this.skip();
    });
  });
}

/** A `describe` for the sandbox's object store, and one for a real S3 server. */
export function describeWithS3(title: string, tests: (server: () => S3Server) => void): void {
  describe(`${title}, with the sandbox's object store`, () => tests(suite(startSandboxStore)));
  describeWithRealS3(title, (access) =>
    tests(suite(async () => ({ ...(await openS3Store(access)), access }))),
  );
}

/** Settings that point a gateway at a server, or at a proxy before it at `endpoint`. */
export function s3Settings(access: S3Settings, endpoint = access.endpoint): TestSettings {
  return {
    R2_ENDPOINT: endpoint,
    R2_REGION: access.region,
    R2_BUCKET: access.bucket,
    R2_ACCESS_KEY_ID: access.accessKeyId,
    R2_SECRET_ACCESS_KEY: access.secretAccessKey,
  };
}
