import type * as Http from "node:http";
import { createRequire } from "node:module";

/**
 * Node's module `http`. An import of it would read all that it exports, and reading `WebSocket` loads undici: 2 MiB that
 * a gateway does not need. `require` reads nothing.
 */
export const http = createRequire(import.meta.url)("node:http") as typeof Http;
