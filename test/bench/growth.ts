import { environmentOf, startProcess } from "./processes.ts";
import type { ServingProcess } from "./processes.ts";
import type { Finding } from "./report.ts";
import { adminToken, getOne } from "./requests.ts";
import { compareRequests } from "./request-cost.ts";

/** What a request costs more where the contract has many routes. */
export async function measureGrowth(orchestrator: ServingProcess): Promise<Finding[]> {
  const env = environmentOf({ ORCHESTRATOR_ENDPOINT: orchestrator.url, API_TOKEN: adminToken });
  const [few, many] = await Promise.all(
    [10, 110].map((count) => startProcess("gateway-with-routes.ts", [String(count)], env)),
  );
  if (few === undefined || many === undefined) throw new Error("two gateways were to start");
  const { ratio, micros, baseMicros } = await compareRequests(
    { server: many, work: getOne },
    { server: few, work: getOne },
  );
  await Promise.all([few.stop(), many.stop()]);
  const detail = `${micros.toFixed(0)} µs against ${baseMicros.toFixed(0)}`;
  return [{ work: "growth from 10 to 110 routes", ratio, limit: 1.05, detail }];
}
