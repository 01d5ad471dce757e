import assert from "node:assert/strict";
import { once } from "node:events";
import { get } from "node:http";
import type { IncomingMessage } from "node:http";
import { buffer } from "node:stream/consumers";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import { adminToken, suite } from "../support/gateway.ts";
import type { TestSettings } from "../support/gateway.ts";
import { sha256, workflowIn } from "../support/samples.ts";
import { startStack } from "../support/stack.ts";
import type { Stack } from "../support/stack.ts";
import { assertFailure, download } from "./download.ts";
import { responseOf, shortReadTimeout, rawStoreSettings, startRawStore } from "./raw-store.ts";

// More than the buffers between the gateway and a client that does not read.
const bytes = Buffer.alloc(32 * 1024 * 1024, "ATOM      1  N   GLY A   1\n");
const response200 = responseOf("200 OK", bytes);
const outputs = ["large", "idle"].map((name) => ({
  uri: `r2://foldforge/${name}`,
  sizeBytes: BigInt(bytes.length),
  sha256: sha256(bytes),
}));

/** Starts a download, and reads nothing of its body. */
async function downloadUnread(url: string): Promise<IncomingMessage> {
  const request = get(url, { headers: { Authorization: `Bearer ${adminToken}` }, agent: false });
  const [response] = (await once(request, "response")) as [IncomingMessage];
  return response;
}

describe("GET /v1/workflows/{id}/artifacts/{key}, by a client that does not read", () => {
  const store = suite(async () => {
    const store = await startRawStore();
    store.respond = (socket, requestHead) => {
      if (!requestHead.includes("/idle")) socket.write(response200);
    };
    return store;
  });
  const startWith = (settings: TestSettings) => () =>
    startStack(
      { getWorkflow: () => workflowIn(JobState.SUCCEEDED, outputs) },
      { ...rawStoreSettings(store()), ...shortReadTimeout, ...settings },
    );
  const defaultStall = suite(startWith({}));
  const shortStall = suite(startWith({ STALL_TIMEOUT_SECONDS: "0.3" }));
  const urlOf = ({ gateway }: Stack, name: string) => `${gateway.url}/v1/workflows/w1/artifacts/${name}`;

  it("does not count the pause as idle time of the store, and completes when it is read later", async () => {
    const response = await downloadUnread(urlOf(defaultStall(), "large"));
    // Each of these takes as long as the idle timeout.
    for (let i = 0; i < 3; i += 1) assertFailure(await download(urlOf(defaultStall(), "idle")), 503);
    assert.ok(!response.readableDidRead);
    const received = await buffer(response);
    assert.deepEqual([response.complete, received.length], [true, bytes.length]);
    assert.equal(sha256(received), sha256(bytes));
  });

  it("closes both connections after the stall timeout, and logs no error", async () => {
    const { gateway } = shortStall();
    const response = await downloadUnread(urlOf(shortStall(), "large"));
    while (gateway.logs.length === 0) await once(gateway.logged, "line");
    // The test above leaves an idle keep-alive connection.
    await store().connectionsAtMost(1);
    await assert.rejects(buffer(response));
    // Further lines about the download would be written by now.
    await gateway.fetch("/v1/healthz");
    assert.deepEqual(
      gateway.logs.map(({ event, complete }) => [event, complete]),
      [
        ["request.completed", false],
        ["request.completed", true],
      ],
    );
  });
});
