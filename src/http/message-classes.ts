import type { IncomingMessage, ServerOptions } from "node:http";
import type { Express } from "express";
import { http } from "../node-http.ts";
import { bytesOfChunk } from "./body-bytes.ts";

/** The classes of the requests and responses that a server creates. */
export type MessageClasses = Required<Pick<ServerOptions, "IncomingMessage" | "ServerResponse">>;

/** The longest form of what follows a chunk. Node's types have an overload for each form, of which a call needs one. */
type AfterChunk = [encoding: BufferEncoding, callback: () => void];

/**
 * Creates classes whose objects have the prototypes of `app` from the start. Express sets these on every request and
 * response, and changing the prototypes of two objects costs a tenth of a rejected request. The responses count the bytes
 * of their bodies.
 */
export function createMessageClasses(app: Express): MessageClasses {
  class AppRequest extends http.IncomingMessage {}
  class AppResponse<Request extends IncomingMessage> extends http.ServerResponse<Request> {
    override bodyBytes = 0;

    override write(chunk: unknown, ...rest: unknown[]): boolean {
      this.bodyBytes += bytesOfChunk(chunk, rest[0]);
      return super.write(chunk, ...(rest as AfterChunk));
    }

    override end(chunk?: unknown, ...rest: unknown[]): this {
      this.bodyBytes += bytesOfChunk(chunk, rest[0]);
      return super.end(chunk, ...(rest as AfterChunk));
    }
  }
  Object.setPrototypeOf(AppRequest.prototype, app.request);
  Object.setPrototypeOf(AppResponse.prototype, app.response);
  Object.assign(app, { request: AppRequest.prototype, response: AppResponse.prototype });
  return { IncomingMessage: AppRequest, ServerResponse: AppResponse };
}
