import { createPrivateKey, X509Certificate } from "node:crypto";

/** What TLS with a server needs in PEM form, or the files that hold it. */
export interface TlsPems {
  /** The authorities that are trusted, instead of those that Node knows. */
  readonly ca?: string;
  /** What the gateway shows of itself, with its key. */
  readonly cert?: string;
  readonly key?: string;
}

/** What is wrong with each of them, without a word of what it holds. */
export function pemFaults({ ca, cert, key }: TlsPems): { readonly [name in keyof TlsPems]: string } {
  const noCertificate = "no certificate in PEM form";
  return {
    ...(ca === undefined || isCertificate(ca) ? {} : { ca: noCertificate }),
    ...(cert === undefined || isCertificate(cert) ? {} : { cert: noCertificate }),
    ...(key === undefined || isPrivateKey(key)
      ? {}
      : { key: "no private key in PEM form without a password" }),
    ...(cert !== undefined && key !== undefined && isOther(cert, key)
      ? { key: "the key of another certificate" }
      : {}),
  };
}

function isCertificate(pem: string): boolean {
  return works(() => new X509Certificate(pem));
}

function isPrivateKey(pem: string): boolean {
  return works(() => createPrivateKey(pem));
}

/** Whether both are sound, and no pair. */
function isOther(cert: string, key: string): boolean {
  if (!isCertificate(cert) || !isPrivateKey(key)) return false;
  return !new X509Certificate(cert).checkPrivateKey(createPrivateKey(key));
}

function works(act: () => unknown): boolean {
  try {
    act();
    return true;
  } catch {
    return false;
  }
}
