import { Code } from "@connectrpc/connect";
import type { RequestHandler } from "express";
import { HttpError } from "../errors/http-error.ts";

/** 404 for every path that the contract does not have. */
export const notFound: RequestHandler = function notFound(_req, _res, next) {
  next(new HttpError(Code.NotFound, "the path is not one of this API's"));
};
