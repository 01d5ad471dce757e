import { ConnectError } from "@connectrpc/connect";
import { MessageTooLarge } from "./envelope.ts";

/** How large a received message would have been, in bytes, where that is why a call has failed. */
export function tooLargeBytes(error: unknown): number | undefined {
  return error instanceof ConnectError && error.cause instanceof MessageTooLarge
    ? error.cause.bytes
    : undefined;
}
