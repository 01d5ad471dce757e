import { generate } from "selfsigned";
import type { CertificateExtension } from "selfsigned";

/** A certificate and its key, in PEM form. */
export interface Identity {
  readonly cert: string;
  readonly key: string;
}

/** A certificate authority. */
export interface Authority {
  readonly cert: string;
  /** Issues a certificate for a host name, and for 127.0.0.1 unless the name is `nowhere`. */
  issue(name: string): Promise<Identity>;
}

function named(name: string): { name: string; value: string }[] {
  return [{ name: "commonName", value: name }];
}

/** Creates an authority that is valid for a day. */
export async function createAuthority(name: string): Promise<Authority> {
  const authority = await generate(named(name), {
    keyType: "ec",
    algorithm: "sha256",
    extensions: [
      { name: "basicConstraints", cA: true, critical: true },
      { name: "keyUsage", keyCertSign: true, digitalSignature: true },
    ],
  });
  const ca = { cert: authority.cert, key: authority.private };
  return {
    cert: ca.cert,
    async issue(host) {
      const address: CertificateExtension[] = [
        {
          name: "subjectAltName",
          altNames: [
            { type: 2, value: host },
            ...(host === "nowhere" ? [] : [{ type: 7, ip: "127.0.0.1" } as const]),
          ],
        },
      ];
      const { cert, private: key } = await generate(named(host), {
        keyType: "ec",
        algorithm: "sha256",
        ca,
        extensions: [{ name: "basicConstraints", cA: false }, ...address],
      });
      return { cert, key };
    },
  };
}
