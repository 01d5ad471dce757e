import type { IncomingMessage, ServerOptions } from "node:http";
import type { Express } from "express";
import { http } from "../node-http.ts";

/** The classes of the requests and responses that a server creates. */
export type MessageClasses = Required<Pick<ServerOptions, "IncomingMessage" | "ServerResponse">>;

/**
 * Creates classes whose objects have the prototypes of `app` from the start. Express sets these on every request and
 * response, and changing the prototypes of two objects costs a tenth of a rejected request.
 */
export function createMessageClasses(app: Express): MessageClasses {
  class AppRequest extends http.IncomingMessage {}
  class AppResponse<Request extends IncomingMessage> extends http.ServerResponse<Request> {}
  Object.setPrototypeOf(AppRequest.prototype, app.request);
  Object.setPrototypeOf(AppResponse.prototype, app.response);
  Object.assign(app, { request: AppRequest.prototype, response: AppResponse.prototype });
  return { IncomingMessage: AppRequest, ServerResponse: AppResponse };
}
