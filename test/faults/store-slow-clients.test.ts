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
import { answerOf, impatience, rawStoreSettings, startRawStore } from "./raw-store.ts";

// More than the buffers of the kernel and of Node hold on the way to a client that does not read.
const bytes = Buffer.alloc(32 * 1024 * 1024, "ATOM      1  N   GLY A   1\n");
const outputs = ["large", "silent"].map((name) => ({
  uri: `r2://foldforge/${name}`,
  sizeBytes: BigInt(bytes.length),
  sha256: sha256(bytes),
}));

/** Begins a download, and reads nothing of it. */
async function downloadUnread(url: string): Promise<IncomingMessage> {
  const request = get(url, { headers: { Authorization: `Bearer ${adminToken}` }, agent: false });
  const [answer] = (await once(request, "response")) as [IncomingMessage];
  return answer;
}

describe("a download by a client that does not read", () => {
  const store = suite(async () => {
    const store = await startRawStore();
    store.answer = (socket, requestHead) => {
      if (!requestHead.includes("/silent")) socket.write(answerOf("200 OK", bytes));
    };
    return store;
  });
  const stackWith = (settings: TestSettings) => () =>
    startStack(
      { getWorkflow: () => workflowIn(JobState.SUCCEEDED, outputs) },
      { ...rawStoreSettings(store()), ...impatience, ...settings },
    );
  const patient = suite(stackWith({}));
  const strict = suite(stackWith({ STALL_TIMEOUT_SECONDS: "0.3" }));
  const urlOf = ({ gateway }: Stack, name: string) => `${gateway.url}/v1/workflows/w1/artifacts/${name}`;

  it("does not count as silence of the store: read later, it is whole", async () => {
    const answer = await downloadUnread(urlOf(patient(), "large"));
    // Each of these takes as long as the store may be silent.
    for (let i = 0; i < 3; i += 1) assertFailure(await download(urlOf(patient(), "silent")), 503);
    assert.ok(!answer.readableDidRead);
    const received = await buffer(answer);
    assert.deepEqual([answer.complete, received.length], [true, bytes.length]);
    assert.equal(sha256(received), sha256(bytes));
  });

  it("is cut in the end, with the store's connection, and is no failure to anybody", async () => {
    const { gateway } = strict();
    const answer = await downloadUnread(urlOf(strict(), "large"));
    while (gateway.logs.length === 0) await once(gateway.logged, "line");
    // The other test has left one that waits for the next request.
    await store().hasAtMost(1);
    await assert.rejects(buffer(answer));
    // Whatever else were said of it would be said by now.
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
