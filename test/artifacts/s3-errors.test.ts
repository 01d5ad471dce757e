import assert from "node:assert/strict";
import { S3ServiceException } from "@aws-sdk/client-s3";
import { Code } from "@connectrpc/connect";
import { isNoSuchKey, httpErrorFromS3 } from "../../src/artifacts/s3-errors.ts";

const accessKeyId = "AKIDEXAMPLE";

/** An error as the SDK makes it of S3's. */
function s3Error(httpStatusCode: number, name: string, message = "no"): S3ServiceException {
  return new S3ServiceException({ name, message, $fault: "client", $metadata: { httpStatusCode } });
}

/** An error as the SDK makes it of an answer that it cannot read. */
function unreadable(httpStatusCode: number) {
  return Object.assign(new SyntaxError("no XML"), { $metadata: { httpStatusCode } });
}

describe("isMissingObject", () => {
  it("is true of NoSuchKey", () => assert.ok(isNoSuchKey(s3Error(404, "NoSuchKey"))));

  for (const error of [
    s3Error(404, "NoSuchBucket"),
    s3Error(404, "NotFound"),
    unreadable(404),
    Object.assign(new Error("no"), { name: "NoSuchKey" }),
  ])
    it(`is false of ${error.name}, ${error.message}`, () => assert.ok(!isNoSuchKey(error)));
});

describe("refusalFromStore", () => {
  for (const [error, code] of [
    [s3Error(400, "ExpiredToken"), Code.Internal],
    [s3Error(400, "InvalidRequest"), Code.Internal],
    [s3Error(403, "AccessDenied"), Code.Internal],
    [s3Error(403, "SignatureDoesNotMatch"), Code.Internal],
    [s3Error(404, "NoSuchBucket"), Code.Internal],
    [s3Error(416, "InvalidRange"), Code.Internal],
    [s3Error(301, "PermanentRedirect"), Code.Internal],
    [s3Error(400, "RequestTimeout"), Code.Unavailable],
    [s3Error(429, "TooManyRequests"), Code.Unavailable],
    [s3Error(400, "SlowDown"), Code.Unavailable],
    [s3Error(500, "InternalError"), Code.Unavailable],
    [s3Error(503, "SlowDown"), Code.Unavailable],
    [unreadable(200), Code.Internal],
    [unreadable(302), Code.Internal],
    [unreadable(403), Code.Internal],
    [unreadable(429), Code.Unavailable],
    [unreadable(502), Code.Unavailable],
  ] as const) {
    const status = error.$metadata.httpStatusCode;

    it(`is ${Code[code]} for ${status} ${error.name}, and says both in its cause`, () => {
      const refusal = httpErrorFromS3(error, accessKeyId);
      assert.equal(refusal.code, code);
      assert.equal(refusal.message, "internal server error");
      assert.ok(refusal.cause instanceof Error);
      assert.equal(refusal.cause.message, `the object store answered ${status}`);
      assert.equal(refusal.cause.cause, error);
    });
  }

  for (const error of [
    new Error("connect ECONNREFUSED"),
    Object.assign(new Error("no answer"), { $metadata: { attempts: 2 } }),
    "text",
  ])
    it(`is Unavailable for ${String(error)}, where no answer came`, () => {
      const refusal = httpErrorFromS3(error, accessKeyId);
      assert.deepEqual([refusal.code, refusal.cause], [Code.Unavailable, error]);
    });

  for (const error of [
    s3Error(403, "InvalidAccessKeyId", `${accessKeyId} is not known`),
    s3Error(403, accessKeyId),
  ])
    it(`leaves out what the store says when it repeats the access key, as in ${String(error)}`, () => {
      const { cause } = httpErrorFromS3(error, accessKeyId);
      assert.ok(cause instanceof Error);
      assert.equal(cause.message, "the object store answered 403");
      assert.equal(cause.cause, undefined);
    });
});
