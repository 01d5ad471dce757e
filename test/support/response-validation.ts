import type { ServerResponse } from "node:http";
import { brotliDecompressSync, gunzipSync } from "node:zlib";
import * as OpenApiValidator from "express-openapi-validator";
import type { RequestHandler, Response } from "express";
import type { Contract } from "../../src/contract.ts";
import type { Middleware } from "../../src/http/stages.ts";

/** Checks the decoded JSON of a response; responds 500 when the contract does not allow it. */
type Check = (json: unknown) => void;

/**
 * Stages that respond 500 instead of JSON that the contract does not allow, errors of 4xx included. The validator
 * checks what `res.json` is given; it is called here with what the handler sends.
 */
export function responseValidation({ document, paths }: Contract): readonly Middleware[] {
  // A download is no JSON, and the validator has no parameters that take the rest of a path.
  const checked = paths.filter(({ segments }) => segments.every(({ kind }) => kind !== "rest"));
  const templates = new Set(checked.map(({ template }) => template));
  const own = Object.entries(document.paths).filter(([template]) => templates.has(template));
  const apiSpec: unknown = { ...document, paths: Object.fromEntries(own) };
  const validator = OpenApiValidator.middleware({
    // Its type has fewer keywords of OpenAPI 3.1 than the validator.
    apiSpec: apiSpec as Parameters<typeof OpenApiValidator.middleware>[0]["apiSpec"] & object,
    validateApiSpec: false,
    validateSecurity: false,
    validateRequests: false,
    validateResponses: true,
    fileUploader: false,
    ignoreUndocumented: true,
    formats: { uint32: true, uint64: true },
  });
  const original = new WeakMap<Response, Response["json"]>();

  const begin: RequestHandler = function begin(_req, res, next) {
    original.set(res, res.json);
    // The validator calls this with valid JSON, which is sent elsewhere.
    res.json = () => res;
    next();
  };
  const end: RequestHandler = function end(_req, res, next) {
    const validate = res.json;
    res.json = original.get(res) ?? validate;
    if (templates.has(String(res.locals["route"]))) checkJson(res, (json) => validate.call(res, json));
    next();
  };
  return [begin, ...validator, end] as Middleware[];
}

const decoders: Partial<Record<string, (bytes: Buffer) => Buffer>> = {
  br: brotliDecompressSync,
  gzip: gunzipSync,
};

/** Holds JSON back until it is complete, and sends it once it is valid. */
function checkJson(res: ServerResponse, check: Check): void {
  const { write, end } = res;
  const held: Buffer[] = [];
  let isChecked = false;
  const isHeld = () =>
    !isChecked && !res.headersSent && String(res.getHeader("Content-Type")).startsWith("application/json");

  res.write = function writeHeld(this: ServerResponse, ...args: unknown[]) {
    if (!isHeld()) return Reflect.apply(write, res, args);
    held.push(bytesOf(args));
    return true;
  } as typeof write;

  res.end = function endChecked(this: ServerResponse, ...args: unknown[]) {
    if (!isHeld()) return Reflect.apply(end, res, args);
    isChecked = true;
    const bytes = Buffer.concat([...held, bytesOf(args)]);
    const coding = res.getHeader("Content-Encoding");
    // An error is sent without it.
    res.removeHeader("Content-Encoding");
    check(JSON.parse((decoders[String(coding)]?.(bytes) ?? bytes).toString()));
    if (res.headersSent) return res;
    if (coding !== undefined) res.setHeader("Content-Encoding", coding);
    return Reflect.apply(end, res, [bytes]);
  } as typeof end;
}

function bytesOf([chunk, encoding]: unknown[]): Buffer {
  if (typeof chunk === "string") return Buffer.from(chunk, encoding as BufferEncoding);
  return chunk instanceof Uint8Array ? Buffer.from(chunk) : Buffer.alloc(0);
}
