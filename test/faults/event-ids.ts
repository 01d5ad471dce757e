/** What a client has received of an event stream until its end. */
interface ReceivedEvents {
  /** The ids of the complete events, in order. */
  readonly ids: readonly number[];
  /** The length of the stream in bytes. */
  readonly length: number;
  /** Whether the connection broke before the end of the response. */
  readonly isBroken: boolean;
}

const endOfEvent = Buffer.from("\n\n");
const idField = Buffer.from("id: ");

/** Reads a stream to its end. Looks for the ids in the bytes: to decode large events takes much longer. */
export async function readEventIds(stream: AsyncIterable<Buffer>): Promise<ReceivedEvents> {
  const chunks: Buffer[] = [];
  let isBroken = false;
  try {
    for await (const chunk of stream) chunks.push(chunk);
  } catch {
    isBroken = true;
  }
  const bytes = Buffer.concat(chunks);
  const ids: number[] = [];
  let start = 0;
  for (let end = bytes.indexOf(endOfEvent); end >= 0; end = bytes.indexOf(endOfEvent, start)) {
    // The id comes before the data.
    const id = bytes.indexOf(idField, start) + idField.length;
    ids.push(Number.parseInt(bytes.toString("latin1", id, id + 20), 10));
    start = end + endOfEvent.length;
  }
  return { ids, length: bytes.length, isBroken };
}
