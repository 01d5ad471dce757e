export { defaultKeepalive } from "./keepalive.ts";
export type { KeepaliveOptions } from "./keepalive.ts";
