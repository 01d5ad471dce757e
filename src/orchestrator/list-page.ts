import type { MessageInitShape } from "@bufbuild/protobuf";
import type { CallOptions } from "@connectrpc/connect";
import type {
  ListWorkflowsRequestSchema,
  ListWorkflowsResponse,
} from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import type { OrchestratorClient } from "./client.ts";
import type { EncodedMessage } from "../grpc/encoded-message.ts";
import { readingContext } from "../grpc/transport.ts";
import { tooLargeBytes } from "../grpc/too-large.ts";

/** How much of a page that is asked for again may be filled by workflows as large as those of the page before. */
const fillShare = 0.8;

/**
 * Reads a page of at most `maxBytes`, or of one workflow: where the length of a page tells that it is larger, it is not
 * read, and asked for again with fewer workflows. `pageSize` is the most that there may be.
 */
export async function listPage(
  client: OrchestratorClient,
  {
    pageSize,
    ...request
  }: MessageInitShape<typeof ListWorkflowsRequestSchema> & { readonly pageSize: number },
  call: CallOptions,
  maxBytes: number,
): Promise<EncodedMessage<ListWorkflowsResponse>> {
  for (let size = pageSize; ;) {
    // A workflow that alone is larger is a message like any other.
    const readMaxBytes = size === 1 ? undefined : maxBytes;
    const contextValues = readingContext({ readMaxBytes }, call.contextValues);
    try {
      return await client.listWorkflows({ ...request, pageSize: size }, { ...call, contextValues });
    } catch (error) {
      const bytes = tooLargeBytes(error);
      if (bytes === undefined || size === 1) throw error;
      size = Math.max(1, Math.min(Math.floor((size * maxBytes * fillShare) / bytes), size - 1));
    }
  }
}
