import type { Violation } from "../errors/http-error.ts";
import { suggestionOf } from "../nearest-name.ts";
import { isObject } from "./json-object.ts";

/** What users paste in front of a key: the address of a bucket, that of a gateway, or slashes. Proxies merge slashes. */
const bucketAddress = /^(?:r2|s3):\/{1,2}[^/]+\/+/i;
const gatewayAddress = /^(?:https?:\/{1,2}[^/]+)?\/+v1\/workflows\/[^/]+\/artifacts\/+/i;
const slashes = /^\/+/;
const anyAddress = /^(?:r2|s3|https?):\/|^\//i;

/** A key that is not empty and has no empty segments. */
const keyPattern = /^[^/]+(?:\/[^/]+)*$/;

/**
 * The violation of a download's key that is a whole address, as users paste it. It names the right path where the address
 * tells it. An address whose slashes were merged is a key that an artifact may have.
 */
export function keyFormViolations(params: unknown): Violation[] {
  const { id, key } = isObject(params) ? params : {};
  if (typeof id !== "string" || typeof key !== "string") return [];
  if (!anyAddress.test(key) || keyPattern.test(key)) return [];
  const message = "must be the key alone, as in the `href` of the artifact";
  return [{ path: "/params/key", message: `${message}${didYouMeanPath(id, key)}` }];
}

/** The end of a message about a key that no artifact has: the path that is meant by an address, or nothing. */
export function didYouMeanPath(id: string, given: string): string {
  const pasted = [bucketAddress, gatewayAddress, slashes].find((pattern) => pattern.test(given));
  const key = pasted === undefined ? "" : given.replace(pasted, "");
  if (!keyPattern.test(key)) return "";
  const path = key.split("/").map(encodeURIComponent).join("/");
  return suggestionOf(`/v1/workflows/${encodeURIComponent(id)}/artifacts/${path}`);
}
