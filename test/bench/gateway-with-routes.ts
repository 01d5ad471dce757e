/**
 * The gateway with as many routes as its first argument: copies of a route with a parameter, then the contract's
 * routes. Its settings come from the environment, as the gateway's do.
 */
import { readFileSync } from "node:fs";
import { parseSettings } from "../../src/settings/settings.ts";
import { contractFrom, loadContract } from "../../src/contract.ts";
import type { OpenApiDocument } from "../../src/contract.ts";
import { startGateway } from "../../src/gateway.ts";
import { LogOutput } from "../../src/telemetry/log-output.ts";
import { createLogger } from "../../src/telemetry/logger.ts";

/** The document with `count` operations; the handler of a copy is that of its original. */
function documentWith(count: number): OpenApiDocument {
  const { document, paths } = loadContract();
  const own = paths.flatMap(({ operations }) => operations).length;
  const { parameters, get } = document.paths["/v1/workflows/{id}"] ?? {};
  if (parameters === undefined || get === undefined) throw new Error("the contract reads no workflow");
  const copies = Array.from({ length: count - own }, (_, index) => [
    `/v1/more/route-${index}/{id}`,
    { parameters, get },
  ]);
  return { ...document, paths: { ...Object.fromEntries(copies), ...document.paths } };
}

const logger = createLogger(new LogOutput(process.stdout));
const { settings } = parseSettings(process.env, (path) => readFileSync(path, "utf8"));
const contract = contractFrom(documentWith(Number(process.argv[2])));
const { url } = await startGateway(settings, logger, { contract });
logger.info({ url }, "gateway.started");
