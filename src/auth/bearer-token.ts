/** RFC 6750 §2.1: the scheme, in any case, and one token; deployed tokens may have more than token68's letters. */
const bearerPattern = /^bearer +([!-~]+)$/i;

/** The token of an `Authorization` header; undefined when it is missing or is not one bearer token. */
export function bearerTokenFrom(header: string | undefined): string | undefined {
  return bearerPattern.exec(header ?? "")?.[1];
}
