import type { ServerResponse } from "node:http";
import { brotliDecompressSync, gunzipSync } from "node:zlib";
import { AjvOptions } from "express-openapi-validator/dist/framework/ajv/options.js";
import { ResponseValidator } from "express-openapi-validator/dist/middlewares/openapi.response.validator.js";
import type { Contract, Operation } from "../../src/contract.ts";
import type { Middleware } from "../../src/http/stages.ts";
import { strictContract } from "./strict-contract.ts";

type LibraryDocument = ConstructorParameters<typeof ResponseValidator>[0];

/** Validators by status and media type. */
type Validators = Parameters<ResponseValidator["_validate"]>[0]["validators"];

/** The members of express-openapi-validator's ResponseValidator that are used here, some of them private. */
interface ValidatorInternals {
  buildValidators(responses: Readonly<Record<string, unknown>>, key: string): Validators;
  _validate(response: {
    validators: Validators;
    body: unknown;
    statusCode: number;
    path: string;
    accepts: readonly string[];
  }): void;
}

/** The type requires the options of the library's other parts, too. */
const { response: responseOptions } = new AjvOptions({
  validateResponses: { coerceTypes: false, removeAdditional: false },
  validateFormats: true,
  ajvFormats: { mode: "fast" },
  formats: { int64: true },
  serDes: [],
} as unknown as ConstructorParameters<typeof AjvOptions>[0]);

/** Creates a stage that responds 500 instead of JSON that the contract does not allow, errors included. */
export function responseValidation(contract: Contract): readonly Middleware[] {
  const document = strictContract(contract.document);
  const library = new ResponseValidator(
    document as unknown as LibraryDocument,
    responseOptions,
  ) as unknown as ValidatorInternals;
  const known = new Map<string, Validators>();

  /** Compiles the schemas of a response when it is sent first. */
  function validatorsOf({ id, template, method }: Operation, status: number): Validators {
    // A fragment, so that references in the response are to the contract.
    const key = `#${id}-${status}`;
    const { [status]: response } = document.paths[template]?.[method]?.responses ?? {};
    const validators =
      known.get(key) ?? library.buildValidators(response === undefined ? {} : { [status]: response }, key);
    known.set(key, validators);
    return validators;
  }

  return [
    function validateResponse(_req, res, next) {
      const operation = res.locals.match?.operation;
      if (operation === undefined) return next();
      checkJson(res, (body) => {
        const { statusCode } = res;
        const validators = validatorsOf(operation, statusCode);
        try {
          const path = operation.template;
          library._validate({ validators, body, statusCode, path, accepts: ["application/json"] });
          return undefined;
        } catch (error) {
          return String(error);
        }
      });
      next();
    },
  ];
}

const decoders: Partial<Record<string, (bytes: Buffer) => Buffer>> = {
  br: brotliDecompressSync,
  gzip: gunzipSync,
};

/** Holds JSON back until it is complete. Sends it if `objectionTo` returns undefined, else a 500 with the objection. */
function checkJson(res: ServerResponse, objectionTo: (json: unknown) => string | undefined): void {
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
    const coding = String(res.getHeader("Content-Encoding"));
    const message = objectionTo(JSON.parse((decoders[coding]?.(bytes) ?? bytes).toString()));
    if (message === undefined) return Reflect.apply(end, res, [bytes]);
    for (const name of ["Content-Encoding", "Content-Length"]) res.removeHeader(name);
    res.statusCode = 500;
    return Reflect.apply(end, res, [JSON.stringify({ message })]);
  } as typeof end;
}

function bytesOf([chunk, encoding]: unknown[]): Buffer {
  if (typeof chunk === "string") return Buffer.from(chunk, encoding as BufferEncoding);
  return chunk instanceof Uint8Array ? Buffer.from(chunk) : Buffer.alloc(0);
}
