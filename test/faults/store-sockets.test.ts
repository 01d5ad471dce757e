import assert from "node:assert/strict";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import { adminToken, suite } from "../support/gateway.ts";
import { runGateway } from "../support/gateway-process.ts";
import { scaledSeconds } from "../support/machine.ts";
import { sha256, workflowIn } from "../support/samples.ts";
import { startUpstream } from "../support/upstream.ts";
import { assertFailure, download } from "./download.ts";
import { responseOf, rawStoreSettings, startRawStore } from "./raw-store.ts";
import { bytes, promptFaults, idleFaults } from "./store-faults.ts";

const preload = fileURLToPath(new URL("report-resources.ts", import.meta.url));
const downloads = 500;
const atOnce = 32;
const faults = [...idleFaults, ...promptFaults];

/** One key for each fault, and one without a fault. */
const keyOf = (index: number) => `artifacts/${index}.pdb`;
const validKey = keyOf(faults.length);
const outputs = Array.from({ length: faults.length + 1 }, (_, index) => ({
  uri: `r2://foldforge/${keyOf(index)}`,
  sizeBytes: BigInt(bytes.length),
  sha256: sha256(bytes),
}));

describe("GET /v1/workflows/{id}/artifacts/{key}, sockets", () => {
  const upstream = suite(() => startUpstream({ getWorkflow: () => workflowIn(JobState.SUCCEEDED, outputs) }));
  const store = suite(async () => {
    const store = await startRawStore();
    store.respond = function respondByKey(socket, requestHead) {
      const index = Number(/^GET \/foldforge\/artifacts\/(\d+)\.pdb/.exec(requestHead)?.[1]);
      const [, , fail] = faults[index] ?? [];
      if (fail === undefined) socket.write(responseOf("200 OK", bytes));
      else fail(socket, requestHead);
    };
    return store;
  });
  const gateway = suite(async () => {
    const { child, started, ended, lines } = runGateway(
      {
        BIND_ADDR: "127.0.0.1:0",
        API_TOKEN: adminToken,
        DRAIN_DELAY_SECONDS: "0",
        ORCHESTRATOR_ENDPOINT: upstream().url,
        ...rawStoreSettings(store()),
        OBJECT_STORE_READ_TIMEOUT_SECONDS: scaledSeconds(2),
      },
      { execArgv: ["--import", preload] },
    );
    const url = await started;
    return {
      downloadOf: (key: string) => download(`${url}/v1/workflows/w1/artifacts/${key}`),
      /** The number of sockets in use. */
      async sockets() {
        const reports = () => lines.filter(({ event }) => event === "test.resources");
        const before = reports().length;
        child.kill("SIGUSR2");
        while (reports().length === before) await once(child.stdout!, "data");
        return (reports().at(-1)?.["counts"] as Record<string, number> | undefined)?.["TCPSocketWrap"] ?? 0;
      },
      async close() {
        child.kill("SIGTERM");
        await ended;
      },
    };
  });

  it(`closes all sockets after ${downloads} faults, and serves valid downloads`, async () => {
    const { downloadOf, sockets } = gateway();
    assert.ok((await downloadOf(validKey)).isComplete);
    const before = await sockets();
    let startedCount = 0;
    async function failRepeatedly() {
      while (startedCount < downloads) {
        const index = startedCount++ % faults.length;
        assertFailure(await downloadOf(keyOf(index)), "failure");
      }
    }
    await Promise.all(Array.from({ length: atOnce }, failRepeatedly));
    const valid = await Promise.all(Array.from({ length: atOnce }, () => downloadOf(validKey)));
    assert.ok(valid.every(({ body, isComplete }) => isComplete && body.equals(bytes)));
    // The rest are idle keep-alive connections, which do not keep a process alive.
    await store().connectionsAtMost(atOnce);
    while ((await sockets()) > before);
  });
});
