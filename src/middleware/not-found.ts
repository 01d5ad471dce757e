import { Code } from "@connectrpc/connect";
import type { RequestHandler } from "express";
import { Refusal } from "../errors/refusal.ts";

/** 404 for every path that the contract does not have. */
export const notFound: RequestHandler = function notFound(_req, _res, next) {
  next(new Refusal(Code.NotFound, "the path is not one of this API's"));
};
