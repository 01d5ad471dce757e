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
    // Asked first, since whoever may write to a bucket need not be allowed to create it.
    await client.send(new HeadBucketCommand({ Bucket: bucket }));
  } catch (error) {
    if (!(error instanceof NotFound)) throw error;
    await client.send(new CreateBucketCommand({ Bucket: bucket })).catch((failure: unknown) => {
      // Somebody else has just done it.
      if (!(failure instanceof BucketAlreadyOwnedByYou)) throw failure;
    });
  }
}

/** The status of the answer, for HEAD has no more to tell, or what kept it from coming, such as ECONNREFUSED. */
function reasonOf(error: unknown): string {
  const { $metadata, code, message } = error as Partial<S3ServiceException> & Partial<NodeJS.ErrnoException>;
  const status = $metadata?.httpStatusCode;
  return status === undefined ? (code ?? message ?? "") : `status ${status}`;
}

/**
 * A bucket of an S3 server that is there already, path style; it is created where it is missing. What is stored
 * stays. Rejects with a SettingsError where the bucket cannot be used.
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
