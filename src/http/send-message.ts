import type { ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Response } from "express";
import { keyHashOf } from "../auth/caller.ts";
import type { EncodedMessage } from "../grpc/index.ts";
import type { Transcoder } from "../mapping/transcoder.ts";
import { sendJsonBytes } from "./json-response.ts";
import type { AuthenticatedLocals } from "./stages.ts";
import type { WriteJson } from "./write-json.ts";

/** What sends messages as JSON. */
export interface MessageSender {
  readonly writeJson: WriteJson;
  /** Called after something was sent on a connection. */
  readonly trackBuffered: (socket: Socket) => void;
}

/** Sends a message as JSON. */
export async function sendMessage(
  res: Response<never, AuthenticatedLocals>,
  json: Transcoder,
  message: EncodedMessage<unknown>,
  sender: MessageSender,
): Promise<void> {
  using text = await sender.writeJson(json, message.bytes, keyHashOf(res.locals.caller));
  await sendJsonBytes(res, text.pieces());
  trackSocket(res, sender);
}

/** Counts what waits on the connection of a response. */
export function trackSocket({ socket }: ServerResponse, { trackBuffered }: MessageSender): void {
  if (socket !== null) trackBuffered(socket);
}
