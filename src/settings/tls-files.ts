import { readFileSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import { createSecureContext } from "node:tls";
import type { SecureContext } from "node:tls";
import type { Logger } from "../telemetry/logger.ts";
import { pemFaults } from "./tls-pems.ts";
import type { TlsPems } from "./tls-pems.ts";

/** For TLS with whom, who hears of new certificates, and how often the files are read, in milliseconds. */
interface TlsFilesOptions {
  /** As the log names it. */
  readonly server: "orchestrator" | "object_store";
  readonly logger: Logger;
  readonly onChange?: () => void;
  readonly refreshMs?: number | undefined;
}

/** The certificates of files, as they are now. */
export interface TlsFiles {
  readonly secureContext: () => SecureContext;
  close(): void;
}

const defaultRefreshMs = 5000;

/**
 * Reads the PEM files at `paths`, now and every 5 seconds; throws where they are of no use at first. Later such files,
 * such as a certificate whose key is still to be written, change nothing.
 */
export function watchTlsFiles(
  paths: TlsPems,
  { server, logger, onChange, refreshMs = defaultRefreshMs }: TlsFilesOptions,
): TlsFiles {
  let current = read(paths);
  let context = createSecureContext(current);
  let isUsable = true;

  function look(): void {
    try {
      const found = read(paths);
      const isNew = !isDeepStrictEqual(found, current);
      if (!isNew && isUsable) return;
      if (isNew) context = createSecureContext(found);
      current = found;
      isUsable = true;
      logger.info({ event: "certificates.renewed", server }, "certificates.renewed");
      if (isNew) onChange?.();
    } catch (err) {
      if (isUsable) logger.warn({ event: "certificates.unusable", server, err }, "certificates.unusable");
      isUsable = false;
    }
  }

  const timer = setInterval(look, refreshMs).unref();
  return { secureContext: () => context, close: () => clearInterval(timer) };
}

function read(paths: TlsPems): TlsPems {
  const pems: TlsPems = Object.fromEntries(
    Object.entries(paths).map(([name, path]: [string, string]) => [name, readFileSync(path, "utf8")]),
  );
  for (const [name, fault] of Object.entries(pemFaults(pems)))
    throw new Error(`the ${name} file holds ${fault}`);
  return pems;
}
