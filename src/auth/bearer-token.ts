/** RFC 6750 §2.1: the scheme, in any case, and one token68. */
const bearerPattern = /^bearer +([A-Za-z0-9\-._~+/]+=*)$/i;

/** The token of an `Authorization` header; undefined when it is missing or is not one bearer token. */
export function bearerTokenFrom(header: string | undefined): string | undefined {
  return bearerPattern.exec(header ?? "")?.[1];
}
