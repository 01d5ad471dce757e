import { createHash } from "node:crypto";
import { eventToJson } from "../mapping/workflow-event.ts";
import type { EventJson } from "../mapping/workflow-event.ts";
import type { WriteJson } from "../http/write-json.ts";

/** An event as clients get it; its memory counts until it is disposed of. */
export interface EventText extends Disposable {
  readonly name: EventJson["name"];
  /** The JSON of a WorkflowEvent, on one line; once, so that nobody holds it while a client is waited for. */
  takeData(): readonly Uint8Array[];
  /**
   * The same for two updates that read the same, in whatever order their maps came; of one length, however large they
   * are.
   */
  digest(): string;
}

/**
 * The text of the WorkflowEvent in `bytes`, for `owner`; undefined for a kind that this version of the contract does not
 * know.
 */
export async function eventText(
  bytes: Uint8Array,
  owner: string | undefined,
  writeJson: WriteJson,
): Promise<EventText | undefined> {
  const event = eventToJson(bytes);
  if (event === undefined) return undefined;
  const { name, before, update, after } = event;
  const text = await writeJson(update, event.bytes, owner, event);
  const data = [Buffer.from(before), ...text.segments(), Buffer.from(after)];
  return {
    name,
    [Symbol.dispose]: () => text[Symbol.dispose](),
    takeData: () => data.splice(0),
    digest() {
      const hash = createHash("sha256");
      for (const segment of data.slice(1, -1)) hash.update(segment);
      return hash.digest("base64");
    },
  };
}
