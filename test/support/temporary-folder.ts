import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { closeAtEnd } from "./leftovers.ts";

/** A new folder that is removed, with what it holds, at the end of its block. */
export function temporaryFolder(): Disposable & { readonly path: string } {
  const path = mkdtempSync(join(tmpdir(), "foldforge-test-"));
  const remove = () => rmSync(path, { recursive: true });
  const isRemoved = closeAtEnd(remove);
  return {
    path,
    [Symbol.dispose]() {
      remove();
      isRemoved();
    },
  };
}
