import assert from "node:assert/strict";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import { docsSuite, openOperation } from "../support/docs-page.ts";
import { adminToken, suite } from "../support/gateway.ts";
import { stepEvent, workflowEvent } from "../support/samples.ts";
import { whenAborted, deferred, startStack } from "../support/stack.ts";

async function* finished() {
  yield await Promise.resolve(workflowEvent(9n, JobState.SUCCEEDED));
}

describe("the page of GET /docs, with an event stream", () => {
  const openDocs = docsSuite();
  const stack = suite(() => startStack());

  /** Follows the workflow w1. */
  async function followEvents() {
    const { page } = await openDocs(stack().gateway.url);
    const operation = await openOperation(page, "streamWorkflowEvents");
    await operation.apiKey.fill(adminToken);
    await operation.field("id").fill("w1");
    await operation.press("Send");
    return operation;
  }

  it("shows events as they come, and leaves the stream when the user stops it", async () => {
    const more = deferred();
    const left = deferred();
    stack().upstream.rpcs.streamWorkflowEvents = async function* (_request, { signal: gone }) {
      yield workflowEvent(0n, JobState.QUEUED);
      await more.promise;
      yield stepEvent(3n);
      await whenAborted(gone);
      left.resolve();
    };
    const { events, status, press } = await followEvents();
    await events.filter({ hasText: "QUEUED" }).waitFor();
    more.resolve();
    const second = events.locator("details").nth(1);
    assert.match(await second.innerText(), /^3\s*step_update a RUNNING 50\s%$/);
    await second.click();
    const data = JSON.parse(await second.getByRole("region").innerText());
    assert.equal(data.step_update.state, "RUNNING");

    await press("Stop");
    await left.promise;
    await status.filter({ hasText: "(stopped)" }).waitFor();
    assert.equal(await events.locator("details").count(), 2);
  });

  it("leaves the stream when it is sent again", async () => {
    const left = deferred();
    stack().upstream.rpcs.streamWorkflowEvents = async function* (_request, { signal: gone }) {
      yield workflowEvent(0n, JobState.QUEUED);
      await whenAborted(gone);
      left.resolve();
    };
    const { events, status, press } = await followEvents();
    await events.filter({ hasText: "QUEUED" }).waitFor();
    stack().upstream.rpcs.streamWorkflowEvents = finished;
    await press("Send");
    await left.promise;
    await events.filter({ hasText: /^9.*SUCCEEDED/ }).waitFor();
    assert.equal(await events.count(), 1);
    await status.filter({ hasText: /^200 OK in \d+ ms, and the stream has ended$/ }).waitFor();
  });

  it("says that a stream has ended", async () => {
    stack().upstream.rpcs.streamWorkflowEvents = finished;
    const { status } = await followEvents();
    await status.filter({ hasText: /^200 .* the stream has ended$/ }).waitFor();
  });

  it("shows what came before a stream broke, and that it did", async () => {
    const enough = deferred();
    stack().upstream.rpcs.streamWorkflowEvents = async function* () {
      yield workflowEvent(0n, JobState.QUEUED);
      await enough.promise;
      throw new Error("broken");
    };
    const { events, status } = await followEvents();
    await events.filter({ hasText: "QUEUED" }).waitFor();
    enough.resolve();
    await status.filter({ hasText: /^200 .* Failed: / }).waitFor();
    assert.match(await events.innerText(), /QUEUED/);
  });
});
