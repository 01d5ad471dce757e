import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { createSecureContext } from "node:tls";
import type { SecureContext } from "node:tls";
import { isDeepStrictEqual } from "node:util";
import type { Logger } from "../telemetry/logger.ts";
import { unreadable } from "./secret-files.ts";
import type { ReadFile } from "./secret-files.ts";

const parts = ["ca", "cert", "key"] as const;

/** `ca` replaces the authorities that Node trusts; `cert` and its `key` are the client's certificate. All are PEM. */
type Parts = { readonly [part in (typeof parts)[number]]?: string };

/** The paths of the files for TLS with one kind of server. */
export type TlsFiles = Parts;

/**
 * Reads the settings, named by `names`, that name the files for TLS with one kind of server. `files` is undefined if
 * none of them is set. A violation repeats neither a path nor the content of a file.
 */
export function parseTlsFiles(
  names: Parts,
  given: ReadonlyMap<string, string>,
  readFile: ReadFile,
): { files: TlsFiles | undefined; violations: string[] } {
  const set = parts.flatMap((part) => {
    const name = names[part];
    const path = name === undefined ? undefined : given.get(name);
    return name === undefined || path === undefined ? [] : [{ part, name, path }];
  });
  if (set.length === 0) return { files: undefined, violations: [] };
  const violations: string[] = [];
  const pems: { -readonly [part in keyof Parts]: string } = {};
  for (const { part, name, path } of set) {
    try {
      pems[part] = readFile(path);
    } catch (error) {
      violations.push(`${name} ${unreadable(error)}`);
    }
  }
  const content = contentViolations(pems);
  for (const { part, name } of set) {
    if (content[part] !== undefined) violations.push(`${name} names a file that holds ${content[part]}`);
  }
  for (const [one, other] of [
    [names.cert, names.key],
    [names.key, names.cert],
  ]) {
    if (one !== undefined && other !== undefined && given.has(one) && !given.has(other))
      violations.push(`${other} must be set, since ${one} is`);
  }
  return { files: Object.fromEntries(set.map(({ part, path }) => [part, path])), violations };
}

/** What each PEM text holds instead of what it should hold. The content itself is not repeated. */
function contentViolations({ ca, cert, key }: Parts): Parts {
  const noCertificate = "no certificate in PEM form";
  return {
    ...(ca === undefined || isCertificate(ca) ? {} : { ca: noCertificate }),
    ...(cert === undefined || isCertificate(cert) ? {} : { cert: noCertificate }),
    ...(key === undefined || isPrivateKey(key)
      ? {}
      : { key: "no private key in PEM form without a password" }),
    ...(cert !== undefined && key !== undefined && isMismatch(cert, key)
      ? { key: "the key of another certificate" }
      : {}),
  };
}

function isCertificate(pem: string): boolean {
  return succeeds(() => new X509Certificate(pem));
}

function isPrivateKey(pem: string): boolean {
  return succeeds(() => createPrivateKey(pem));
}

/** Whether both are valid, and do not belong together. */
function isMismatch(cert: string, key: string): boolean {
  if (!isCertificate(cert) || !isPrivateKey(key)) return false;
  return !new X509Certificate(cert).checkPrivateKey(createPrivateKey(key));
}

function succeeds(act: () => unknown): boolean {
  try {
    act();
    return true;
  } catch {
    return false;
  }
}

interface CertificatesOptions {
  /** The server's name in the log. */
  readonly server: "orchestrator" | "object_store";
  readonly logger: Logger;
  /** Called after the files have changed. */
  readonly onChange?: () => void;
  /** How often the files are read, in milliseconds. */
  readonly refreshMs?: number | undefined;
}

/** The certificates in the files, at any time. */
export interface Certificates {
  readonly secureContext: () => SecureContext;
  close(): void;
}

const defaultRefreshMs = 5000;

/**
 * Loads the certificates now, and again every 5 seconds. Throws if they are not valid now. If they are not valid later,
 * for example because a certificate was replaced before its key, the last valid ones stay in use.
 */
export function watchCertificates(
  files: TlsFiles,
  { server, logger, onChange, refreshMs = defaultRefreshMs }: CertificatesOptions,
): Certificates {
  let current = load(files);
  let context = createSecureContext(current);
  let isValid = true;

  function reload(): void {
    try {
      const loaded = load(files);
      const isNew = !isDeepStrictEqual(loaded, current);
      if (!isNew && isValid) return;
      if (isNew) context = createSecureContext(loaded);
      current = loaded;
      isValid = true;
      logger.info({ event: "certificates.reloaded", server }, "certificates.reloaded");
      if (isNew) onChange?.();
    } catch (err) {
      if (isValid) logger.warn({ event: "certificates.rejected", server, err }, "certificates.rejected");
      isValid = false;
    }
  }

  const timer = setInterval(reload, refreshMs).unref();
  return { secureContext: () => context, close: () => clearInterval(timer) };
}

function load(files: TlsFiles): Parts {
  const pems: Parts = Object.fromEntries(
    Object.entries(files).map(([part, path]: [string, string]) => [part, readFileSync(path, "utf8")]),
  );
  for (const [part, violation] of Object.entries(contentViolations(pems)))
    throw new Error(`the ${part} file holds ${violation}`);
  return pems;
}
