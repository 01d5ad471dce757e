import { createHash } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import { ArtifactSchema, type Artifact } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import type { ObjectStore } from "./object-store.ts";
import type { ToolFile } from "./tools/tool.ts";

/** Stores the files of steps. */
export interface ArtifactWriter {
  /** Stores a file under the hash of its bytes, and says where and what it is. */
  write(file: ToolFile): Promise<Artifact>;
}

/** Builds a writer into the store's bucket. */
export function createArtifactWriter(store: ObjectStore): ArtifactWriter {
  return {
    async write({ text, extension, contentType, metrics }) {
      const bytes = Buffer.from(text);
      const sha256 = createHash("sha256").update(bytes).digest("hex");
      const key = `artifacts/${sha256}.${extension}`;
      await store.put(key, bytes, contentType);
      return create(ArtifactSchema, {
        uri: `r2://${store.bucket}/${key}`,
        contentType,
        sizeBytes: BigInt(bytes.length),
        sha256,
        metrics: { ...metrics },
      });
    },
  };
}
