import assert from "node:assert/strict";
import type { S3Settings } from "../src/sandbox/settings.ts";
import { startSandbox } from "../src/sandbox/start-sandbox.ts";
import { readEvents } from "./support/event-reader.ts";
import { startTestGateway, suite } from "./support/gateway.ts";
import { describeWithRealS3 } from "./support/s3-servers.ts";
import { jsonPost, sha256, threeSteps } from "./support/samples.ts";
import { sandboxSettings, settingsFor } from "./support/sandbox.ts";

interface Artifact {
  uri: string;
  content_type: string;
  size_bytes: number;
  sha256: string;
}

interface Workflow {
  id: string;
  name: string;
  state: string;
  labels: Record<string, string>;
  steps: unknown[];
  step_statuses: { step_id: string; state: string; outputs: Artifact[]; error?: { code: string } }[];
}

function describeWholeFlow(s3: S3Settings | undefined) {
  const sandbox = suite(() => startSandbox({ ...sandboxSettings, s3 }));
  const gateway = suite(() =>
    startTestGateway(settingsFor(sandbox(), s3), {
      retryPolicy: { maxRetries: 3, backoffMs: () => 0, idleTimeoutMs: 50 },
    }),
  );
  const token = "alice-key";

  async function call<T = Workflow>(path: string, init: RequestInit = {}): Promise<T> {
    const response = await gateway().fetch(path, { ...init, token });
    assert.ok(response.ok, `${response.status} ${path}`);
    return (await response.json()) as T;
  }

  const submit = (body: unknown) => call("/v1/workflows", jsonPost(body));

  async function follow(id: string, lastEventId?: string) {
    const headers = lastEventId === undefined ? {} : { "Last-Event-ID": lastEventId };
    const response = await gateway().fetch(`/v1/workflows/${id}/events`, { headers, token });
    const reader = readEvents(response);
    return { status: response.status, reader, ending: await reader.ended };
  }

  it("submits three steps, follows them to the end and downloads every file", async () => {
    const { id, steps, state } = await submit(threeSteps);
    assert.ok(["QUEUED", "RUNNING"].includes(state));
    assert.equal(steps.length, 3);

    const { reader, ending } = await follow(id);
    assert.equal(ending, "clean");
    const last = reader.events.at(-1)!;
    assert.equal(last.event, "workflow_update");
    assert.equal((JSON.parse(last.data) as { workflow_update: Workflow }).workflow_update.state, "SUCCEEDED");
    assert.equal((await follow(id, last.id)).status, 204);

    const done = await call(`/v1/workflows/${id}`);
    assert.equal(done.state, "SUCCEEDED");
    const outputs = done.step_statuses.flatMap((status) => status.outputs);
    assert.ok(done.step_statuses.every((status) => status.outputs.length > 0));
    for (const output of outputs) {
      const key = output.uri.replace(`r2://${sandbox().bucket}/`, "");
      const response = await gateway().fetch(`/v1/workflows/${id}/artifacts/${key}`, { token });
      const bytes = Buffer.from(await response.arrayBuffer());
      assert.equal(response.headers.get("content-type"), output.content_type);
      assert.equal(bytes.length, output.size_bytes);
      assert.equal(sha256(bytes), output.sha256);
    }
  });

  it("loses no event and repeats none, wherever a client resumes", async () => {
    const { id } = await submit(threeSteps);
    await follow(id);
    const all = (await follow(id, "1")).reader.events.map((event) => Number(event.id));
    assert.deepEqual(
      all,
      all.map((_, index) => index + 2),
    );
    for (const from of all.slice(0, -1)) {
      const rest = (await follow(id, String(from))).reader.events.map((event) => Number(event.id));
      assert.deepEqual(
        rest,
        all.filter((eventId) => eventId > from),
      );
    }
  });

  it("retries a failed workflow, and keeps what had succeeded", async () => {
    const steps = [
      { id: "good", tool: "rfdiffusion", params: { num_designs: 1 } },
      { id: "bad", tool: "proteinmpnn", depends_on: ["good"], params: { num_sequences: 1, sandbox_fail: 1 } },
    ];
    const { id } = await submit({ name: "fails-once", steps });
    assert.equal((await follow(id)).ending, "clean");
    const failed = await call(`/v1/workflows/${id}`);
    assert.equal(failed.state, "FAILED");
    assert.ok(failed.step_statuses[1]?.error?.code);

    await call(`/v1/workflows/${id}/retry`, { method: "POST" });
    await follow(id);
    const done = await call(`/v1/workflows/${id}`);
    assert.equal(done.state, "SUCCEEDED");
    assert.deepEqual(done.step_statuses[0]?.outputs, failed.step_statuses[0]?.outputs);

    const again = await gateway().fetch(`/v1/workflows/${id}/retry`, { method: "POST", token });
    assert.equal(again.status, 400);
    assert.equal(((await again.json()) as { code: string }).code, "FAILED_PRECONDITION");
  });

  it("returns the first workflow for a repeated submission, and another body with 409", async () => {
    const headers = { "Idempotency-Key": "run-1" };
    const first = await call("/v1/workflows", jsonPost(threeSteps, headers));
    const second = await call("/v1/workflows", jsonPost(threeSteps, headers));
    assert.equal(first.id, second.id);
    const other = await gateway().fetch("/v1/workflows", {
      ...jsonPost({ ...threeSteps, name: "other" }, headers),
      token,
    });
    assert.equal(other.status, 409);
    assert.equal(((await other.json()) as { code: string }).code, "ALREADY_EXISTS");
  });

  it("pages through the workflows of a label, newest first, each once", async () => {
    const submitted: string[] = [];
    for (let n = 0; n < 5; n++) {
      const labels = { batch: "paged", n: String(n) };
      submitted.unshift((await submit({ ...threeSteps, labels })).id);
    }
    const seen: string[] = [];
    let token = "";
    do {
      const query = `?label=batch%3Dpaged&page_size=2${token === "" ? "" : `&page_token=${encodeURIComponent(token)}`}`;
      const page = await call<{ workflows: Workflow[]; next_page_token: string }>(`/v1/workflows${query}`);
      assert.ok(page.workflows.length <= 2);
      seen.push(...page.workflows.map(({ id }) => id));
      token = page.next_page_token;
    } while (token !== "");
    assert.deepEqual(seen, submitted);

    const two = await call<{ workflows: Workflow[] }>("/v1/workflows?label=batch=paged&label=n=3");
    assert.deepEqual(
      two.workflows.map(({ labels }) => labels["n"]),
      ["3"],
    );
    const none = await call<{ workflows: Workflow[] }>("/v1/workflows?label=batch=other");
    assert.deepEqual(none.workflows, []);
  });

  it("returns 400 for a page token that was never issued", async () => {
    const response = await gateway().fetch("/v1/workflows?page_token=made-up", { token });
    assert.equal(response.status, 400);
  });

  it("counts a quota down to 429", async () => {
    const statuses: [number, string | null][] = [];
    for (let n = 0; n < 3; n++) {
      const response = await gateway().fetch("/v1/workflows", {
        ...jsonPost(threeSteps),
        token: "carol-key",
      });
      statuses.push([response.status, response.headers.get("x-ratelimit-remaining")]);
    }
    assert.deepEqual(statuses, [
      [201, "1"],
      [201, "0"],
      [429, "0"],
    ]);
  });
}

describe("the whole flow", () => describeWholeFlow(undefined));
describeWithRealS3("the whole flow", describeWholeFlow);

describe("the whole flow, while steps take their time", () => {
  const sandbox = suite(() => startSandbox({ ...sandboxSettings, stepSeconds: 600 }));
  const gateway = suite(() =>
    startTestGateway(settingsFor(sandbox()), {
      retryPolicy: { maxRetries: 3, backoffMs: () => 0, idleTimeoutMs: 50 },
    }),
  );

  it("cancels a running workflow, ends its stream, and accepts a repeated cancellation", async () => {
    const submitted = await gateway().fetch("/v1/workflows", jsonPost(threeSteps));
    const { id } = (await submitted.json()) as Workflow;
    const reader = readEvents(await gateway().fetch(`/v1/workflows/${id}/events`));
    await reader.next();
    for (let time = 0; time < 2; time++) {
      const response = await gateway().fetch(`/v1/workflows/${id}`, { method: "DELETE" });
      const workflow = (await response.json()) as Workflow;
      assert.equal(response.status, 200);
      assert.equal(workflow.state, "CANCELLED");
      assert.ok(workflow.step_statuses.every(({ state }) => state === "CANCELLED"));
    }
    assert.equal(await reader.ended, "clean");
    const { workflow_update } = JSON.parse(reader.events.at(-1)!.data) as { workflow_update: Workflow };
    assert.equal(workflow_update.state, "CANCELLED");
  });

  it("carries a stream over a lost upstream without the client noticing", async () => {
    const submitted = await gateway().fetch("/v1/workflows", jsonPost(threeSteps));
    const { id } = (await submitted.json()) as Workflow;
    const reader = readEvents(await gateway().fetch(`/v1/workflows/${id}/events`));
    await reader.next();
    sandbox().dropConnections();
    const cancel = () => gateway().fetch(`/v1/workflows/${id}`, { method: "DELETE" });
    // The connection for calls is lost too; a client that receives 503 may retry.
    let { status } = await cancel();
    while (status === 503) ({ status } = await cancel());
    assert.equal(status, 200);
    assert.equal(await reader.ended, "clean");
    const ids = reader.events.flatMap((event) => (event.id === undefined ? [] : [Number(event.id)]));
    assert.deepEqual(
      ids,
      [...new Set(ids)].sort((a, b) => a - b),
    );
  });
});
