import assert from "node:assert/strict";
import type { TestGateway } from "./gateway.ts";
import { jsonPost } from "./samples.ts";

/** Submits a workflow with this token, and follows it until it is terminal; resolves to its id. */
export async function finishedRun(gateway: TestGateway, spec: unknown, token: string): Promise<string> {
  const submitted = await gateway.fetch("/v1/workflows", { ...jsonPost(spec), token });
  assert.equal(submitted.status, 201);
  const { id } = (await submitted.json()) as { id: string };
  // The stream ends when the workflow does.
  await (await gateway.fetch(`/v1/workflows/${id}/events`, { token })).text();
  return id;
}
