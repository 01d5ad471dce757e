import { Code } from "@connectrpc/connect";
import type { Path } from "../contract.ts";
import { HttpError } from "../errors/http-error.ts";
import type { Middleware } from "./locals.ts";

/** 405 with `Allow` for every method that the contract does not list for `path`. */
export function methodNotAllowed({ template, allowed }: Path): Middleware {
  return function methodNotAllowed(req, res) {
    res.locals.route = template;
    throw new HttpError(Code.InvalidArgument, `${req.method} is not a method of this path`, {
      status: 405,
      headers: { Allow: allowed.join(", ") },
    });
  };
}
