import { ArtifactSchema } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import { extensionOfType, extensionStart } from "./artifact-name.ts";
import { isPlainKey, keyPath } from "./artifact-path.ts";
import type { Positions } from "./field-transcoder.ts";
import { startsWithBytes } from "./bytes.ts";
import type { JsonWriter } from "./json-writer.ts";
import { createMessageTranscoder } from "./message-transcoder.ts";
import type { MessageOptions } from "./message-transcoder.ts";
import { StepScope } from "./scope.ts";
import type { Transcoder } from "./transcoder.ts";
import type { WireReader } from "./wire-reader.ts";

const quote = Buffer.from('"');

interface ArtifactOptions {
  /** Whether each artifact has the id of its step. */
  readonly hasStepId: boolean;
}

/** Creates a transcoder for the outputs of a step. An artifact in `bucket` has a `href`, and every artifact a `name`. */
export function createArtifactTranscoder(bucket: string, { hasStepId }: ArtifactOptions): Transcoder {
  const bucketStart = Buffer.from(`r2://${bucket}/`);

  const writeStart: MessageOptions["writeStart"] = (reader, limit, [uri, contentType], out, scope) => {
    if (!(scope instanceof StepScope)) throw new TypeError("an artifact is an output of a step");
    const { source } = reader;
    const end = moveToLast(reader, limit, uri);
    const start = reader.pos;
    out.writeAscii("{");
    if (hasStepId) writeStepId(scope, out);
    out.writeBytes(scope.nameStart);
    out.writeAscii(String(scope.nextIndex()));
    const extension = extensionStart(source, start, end);
    if (extension < end) out.writeBytes(source, extension, end);
    else out.writeAscii(extensionOfType(lastText(reader, limit, contentType)));
    out.writeBytes(quote);

    if (!startsWithBytes(source, start, end, bucketStart)) return;
    const keyStart = start + bucketStart.length;
    const isPlain = isPlainKey(source, keyStart, end);
    const path = isPlain ? "" : keyPath(source.subarray(keyStart, end));
    const { hrefStart } = scope;
    if (path === undefined || hrefStart.length === 0) return;
    out.writeBytes(hrefStart);
    if (isPlain) out.writeBytes(source, keyStart, end);
    else out.writeAscii(path);
    out.writeBytes(quote);
  };
  return createMessageTranscoder(
    ArtifactSchema,
    ["uri", "content_type", "size_bytes", "sha256", "metrics"],
    {},
    { writeStart },
  );
}

function writeStepId({ stepId }: StepScope, out: JsonWriter): void {
  out.writeAscii('"step_id":');
  out.writeString(stepId);
  out.writeAscii(",");
}

/** Moves the reader to the start of the last text, and returns its end; of an absent one, nothing is left. */
function moveToLast(reader: WireReader, limit: number, at: Positions | undefined): number {
  reader.pos = at?.at(-1) ?? limit;
  return at === undefined ? limit : reader.nestedEnd(limit);
}

function lastText(reader: WireReader, limit: number, at: Positions | undefined): string {
  const end = moveToLast(reader, limit, at);
  return asciiOf(reader.source, reader.pos, end);
}

function asciiOf(source: Uint8Array, start: number, end: number): string {
  let text = "";
  for (let index = start; index < end; index += 1) text += String.fromCharCode(source[index] ?? 0);
  return text;
}
