import type { Response } from "express";

const errors = {
  NoSuchKey: { status: 404, message: "The key does not exist." },
  NoSuchBucket: { status: 404, message: "The bucket does not exist." },
  InvalidURI: { status: 400, message: "The path cannot be decoded." },
  InvalidRange: { status: 416, message: "The range lies outside the object." },
  PreconditionFailed: { status: 412, message: "A precondition does not hold." },
  MethodNotAllowed: { status: 405, message: "Objects can only be read here." },
  NotImplemented: { status: 501, message: "Only single objects can be read here." },
  InternalError: { status: 500, message: "The object could not be read." },
} as const;

/** The error codes of S3 that the store knows. */
export type S3ErrorCode = keyof typeof errors;

/** The code for a status that serving a file can end in. */
export function s3CodeFromStatus(status: number | undefined): S3ErrorCode {
  if (status === 404) return "NoSuchKey";
  if (status === 412) return "PreconditionFailed";
  return status === 416 ? "InvalidRange" : "InternalError";
}

const entities: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };

/** Answers as S3 does: the status of `code`, and an XML document that repeats the path. */
export function sendS3Error(res: Response, code: S3ErrorCode): void {
  const { status, message } = errors[code];
  const resource = res.req.path.replace(/[&<>"]/g, (character) => entities[character] ?? "");
  const body = `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code><Message>${message}</Message><Resource>${resource}</Resource></Error>`;
  res.status(status).set("Content-Type", "application/xml").end(body);
}
