import {
  BucketAlreadyOwnedByYou,
  CreateBucketCommand,
  HeadBucketCommand,
  NotFound,
  PutObjectCommand,
  S3Client,
  type S3ServiceException,
} from "@aws-sdk/client-s3";
import type { ObjectStore } from "./object-store.ts";
import { settingPrefix, SettingsError, type S3Settings } from "./settings.ts";

async function ensureBucket(client: S3Client, bucket: string): Promise<void> {
  try {
    // A caller that may write to a bucket need not be allowed to create one.
    await client.send(new HeadBucketCommand({ Bucket: bucket }));
  } catch (error) {
    if (!(error instanceof NotFound)) throw error;
    await client.send(new CreateBucketCommand({ Bucket: bucket })).catch((failure: unknown) => {
      // Another process has just created it.
      if (!(failure instanceof BucketAlreadyOwnedByYou)) throw failure;
    });
  }
}

/** The status of the response, which is all that HEAD returns, or the network error, such as ECONNREFUSED. */
function reasonOf(error: unknown): string {
  const { $metadata, code, message } = error as Partial<S3ServiceException> & Partial<NodeJS.ErrnoException>;
  const status = $metadata?.httpStatusCode;
  return status === undefined ? (code ?? message ?? "") : `status ${status}`;
}

/**
 * A bucket of an external S3 server, path style; it is created if it is missing. Objects are never deleted.
 * Rejects with a SettingsError if the bucket cannot be used.
 */
export async function openS3Store(settings: S3Settings): Promise<ObjectStore> {
  const { endpoint, region, bucket, accessKeyId, secretAccessKey } = settings;
  const client = new S3Client({
    endpoint,
    region,
    credentials: { accessKeyId, secretAccessKey },
    forcePathStyle: true,
    // Not every server knows the checksums that the SDK would add.
    requestChecksumCalculation: "WHEN_REQUIRED",
  });
  try {
    await ensureBucket(client, bucket);
  } catch (error) {
    client.destroy();
    throw new SettingsError(
      `the bucket ${bucket} at ${endpoint} cannot be used (${reasonOf(error)}); is ${settingPrefix}S3_ENDPOINT right?`,
    );
  }
  return {
    url: endpoint,
    bucket,
    async put(key, bytes, contentType) {
      await client.send(
        new PutObjectCommand({ Bucket: bucket, Key: key, Body: bytes, ContentType: contentType }),
      );
    },
    close() {
      client.destroy();
      return Promise.resolve();
    },
  };
}
