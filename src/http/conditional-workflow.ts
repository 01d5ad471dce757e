import type { IncomingMessage } from "node:http";
import type { Response } from "express";
import { keyHashOf } from "../auth/caller.ts";
import type { EncodedMessage } from "../grpc/index.ts";
import type { Transcoder } from "../mapping/transcoder.ts";
import { readWorkflowStatus } from "../mapping/workflow-event.ts";
import { strongETags } from "./etag.ts";
import type { StrongETags } from "./etag.ts";
import { sendConditionalJson } from "./json-response.ts";
import { checkPreconditions, hasPreconditions } from "./preconditions.ts";
import { trackSocket } from "./send-message.ts";
import type { MessageSender } from "./send-message.ts";
import type { AuthenticatedLocals } from "./stages.ts";

/**
 * Sends what `json` writes of a workflow with its ETag, or 304 to a client that has it already. Throws 412 unless the
 * workflow meets the preconditions of the request.
 */
export async function sendConditionalWorkflow(
  res: Response<never, AuthenticatedLocals>,
  json: Transcoder,
  workflow: EncodedMessage<unknown>,
  sender: MessageSender,
): Promise<void> {
  using text = await sender.writeJson(json, workflow.bytes, keyHashOf(res.locals.caller));
  const etags = strongETags(text.pieces());
  if (hasPreconditions(res.req)) checkWorkflow(res.req, workflow.bytes, etags);
  await sendConditionalJson(res, text.pieces(), etags);
  trackSocket(res, sender);
}

/** Throws 412 unless the workflow in `bytes` meets the preconditions of the request. `etags` are those of its JSON. */
export function checkWorkflow(req: IncomingMessage, bytes: Uint8Array, etags: StrongETags): void {
  const { updatedAt } = readWorkflowStatus(bytes);
  checkPreconditions(req, {
    etags: Object.values(etags),
    lastModified: updatedAt && Number(updatedAt.seconds),
  });
}
