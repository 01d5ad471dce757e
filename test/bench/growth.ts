import { imageFlags } from "../support/image-flags.ts";
import { environmentOf, startProcess } from "./processes.ts";
import type { ServingProcess } from "./processes.ts";
import type { Finding } from "./report.ts";
import { getOne } from "./requests.ts";
import { compareRequests } from "./request-cost.ts";

/** How much more a request costs with many routes in the contract. */
export async function measureGrowth(orchestrator: ServingProcess): Promise<Finding[]> {
  const env = environmentOf({ ORCHESTRATOR_ENDPOINT: orchestrator.url });
  const start = (routes: number) =>
    startProcess("gateway-with-routes.ts", [String(routes)], env, { execArgv: imageFlags() });
  const [few, many] = await Promise.all([start(10), start(110)]);
  const { ratio, micros, baseMicros } = await compareRequests(
    { server: many, work: getOne },
    { server: few, work: getOne },
  );
  await Promise.all([few.stop(), many.stop()]);
  const detail = `${micros.toFixed(0)} µs against ${baseMicros.toFixed(0)}`;
  return [{ work: "growth from 10 to 110 routes", ratio, limit: 1.05, detail }];
}
