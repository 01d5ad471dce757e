import type { MessageInitShape } from "@bufbuild/protobuf";
import type { CallOptions } from "@connectrpc/connect";
import type {
  ListWorkflowsRequestSchema,
  ListWorkflowsResponse,
} from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import { tooLargeBytes, withReadOptions } from "../grpc/index.ts";
import type { EncodedMessage } from "../grpc/index.ts";
import type { OrchestratorClient } from "./client.ts";

/** A smaller page is expected to fill this part of the limit, since the sizes of workflows differ. */
const fillShare = 0.8;

/**
 * Reads a page of at most `maxBytes`, or of one workflow. A larger page is not read; it is requested again with fewer
 * workflows. `pageSize` is the maximum number of workflows.
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
    // A single workflow may be larger: the limit of the transport applies to it.
    const readMaxBytes = size === 1 ? undefined : maxBytes;
    const contextValues = withReadOptions({ readMaxBytes }, call.contextValues);
    try {
      return await client.listWorkflows({ ...request, pageSize: size }, { ...call, contextValues });
    } catch (error) {
      const bytes = tooLargeBytes(error);
      if (bytes === undefined || size === 1) throw error;
      size = Math.max(1, Math.min(Math.floor((size * maxBytes * fillShare) / bytes), size - 1));
    }
  }
}
