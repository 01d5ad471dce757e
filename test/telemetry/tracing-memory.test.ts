import assert from "node:assert/strict";
import { Agent, request } from "node:http";
import { startMeasuredGateway } from "../faults/measured-gateway.ts";
import { startCollector } from "../support/collector.ts";

const requests = 2000;
const large = "x".repeat(7000);

/** Sends a GET with the longest path and headers that are allowed, and reads its response. */
function send(url: string, agent: Agent, number: number): Promise<void> {
  const headers = { Host: `${number}${large.slice(0, 5000)}`, "User-Agent": `${number}${large}` };
  return new Promise((resolve, reject) => {
    request(`${url}/v1/${number}${large}`, { agent, headers })
      .on("response", (res) => res.resume().on("end", resolve))
      .on("error", reject)
      .end();
  });
}

describe("spans that wait for export", () => {
  it("retain no more of a request than their attributes", async () => {
    const collector = await startCollector();
    collector.respond = () => undefined;
    const gateway = await startMeasuredGateway({}, { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url });
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    await send(gateway.url, agent, 0);
    const before = await gateway.memory();
    for (let number = 1; number <= requests; number++) await send(gateway.url, agent, number);
    const { held } = await gateway.memory();
    agent.destroy();
    await gateway.close();
    await collector.close();
    const perSpan = (held - before.held) / requests;
    assert.ok(perSpan < 8000, `${perSpan} bytes`);
  });
});
