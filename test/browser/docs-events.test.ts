import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import { authorise, docsSuite, expand } from "../support/docs-page.ts";
import { adminToken, suite } from "../support/gateway.ts";
import { workflowEvent } from "../support/samples.ts";
import { whenAborted, deferred, startStack } from "../support/stack.ts";

describe("the page of GET /docs, with an event stream", () => {
  const openDocs = docsSuite();
  const stack = suite(() => startStack());

  /** Follows the workflow w1. */
  async function followEvents() {
    const { page } = await openDocs(stack().gateway.url);
    await authorise(page, adminToken);
    const events = await expand(page, "streamWorkflowEvents");
    await events.parameter("id").fill("w1");
    await events.press("Execute");
    return events;
  }

  it("shows events as they come, and leaves the stream when the response is cleared", async () => {
    const more = deferred();
    const left = deferred();
    stack().upstream.rpcs.streamWorkflowEvents = async function* (_request, { signal: gone }) {
      yield workflowEvent(0n, JobState.QUEUED);
      await more.promise;
      yield workflowEvent(3n, JobState.RUNNING);
      await whenAborted(gone);
      left.resolve();
    };
    const { body, response, press } = await followEvents();
    await body.filter({ hasText: "QUEUED" }).waitFor();
    more.resolve();
    await body.filter({ hasText: "id: 3" }).waitFor();
    await press("Clear");
    await left.promise;
    await response.waitFor({ state: "detached" });
  });

  it("shows what came before a stream broke, and that it did", async () => {
    const enough = deferred();
    stack().upstream.rpcs.streamWorkflowEvents = async function* () {
      yield workflowEvent(0n, JobState.QUEUED);
      await enough.promise;
      throw new Error("broken");
    };
    const { body } = await followEvents();
    await body.filter({ hasText: "QUEUED" }).waitFor();
    enough.resolve();
    await body.filter({ hasText: /QUEUED[^]*the connection broke/ }).waitFor();
  });
});
