import assert from "node:assert/strict";
import { connect } from "node:net";
import type { Socket } from "node:net";
import { fileURLToPath } from "node:url";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import { readText } from "../../src/settings/secret-files.ts";
import { settingErrors } from "../support/environment.ts";
import { suite } from "../support/gateway.ts";
import { runGateway } from "../support/gateway-process.ts";
import type { ProcessExit } from "../support/gateway-process.ts";
import { hang } from "../support/hang.ts";
import { sendText } from "../support/raw-http.ts";
import { workflowIn } from "../support/samples.ts";
import { startUpstream } from "../support/upstream.ts";
import {
  assertNoSecrets,
  assertNothingInternal,
  canaryRequests,
  clientText,
  operationRequests,
  secrets,
  stripeSettings,
} from "./canaries.ts";
import { s3Error, startRawStore } from "./raw-store.ts";

const admin = [`Authorization: Bearer ${secrets.adminToken}`];
const preload = fileURLToPath(new URL("crash-on-signal.ts", import.meta.url));

/** The complete output of a process. */
function outputOf({ lines, stderr }: ProcessExit): string {
  return `${lines.map((line) => JSON.stringify(line)).join("\n")}\n${stderr}`;
}

/** Fails unless it logged the error of the preload as its last line, and no secret. */
function assertCrashed(ending: ProcessExit): void {
  assert.deepEqual([ending.code, ending.stderr], [70, ""]);
  const last = ending.lines.at(-1)!;
  assert.deepEqual([last["level"], last.event], ["fatal", "gateway.crashed"]);
  assert.match(JSON.stringify(last["err"]), /"message":"unforeseen".*"message":"the cause"/);
  assertNoSecrets("the output", outputOf(ending));
}

describe("secrets in the output of a process", () => {
  const upstream = suite(startUpstream);
  const store = suite(startRawStore);
  const settings = () => ({
    BIND_ADDR: "127.0.0.1:0",
    API_TOKEN: secrets.adminToken,
    API_KEYS_ENABLED: "true",
    DRAIN_DELAY_SECONDS: "0",
    ORCHESTRATOR_ENDPOINT: upstream().url,
    R2_ENDPOINT: store().url,
    R2_ACCESS_KEY_ID: secrets.accessKeyId,
    R2_SECRET_ACCESS_KEY: secrets.secretAccessKey,
    ...stripeSettings(store().url),
  });
  const runCrashing = (kind: "exception" | "rejection") =>
    runGateway(settings(), { more: { CRASH: kind }, execArgv: ["--import", preload] });
  beforeEach("an orchestrator and a store", () => {
    Object.assign(upstream().rpcs, {
      authenticateApiKey: () => ({ allowed: true, principal: "alice" }),
      getWorkflow: () => workflowIn(JobState.SUCCEEDED, [{ uri: "r2://foldforge/a.pdb", sizeBytes: 1000n }]),
    });
    store().respond = (socket, requestHead) =>
      socket.write(s3Error("403 Forbidden", "AccessDenied", requestHead));
  });

  it("are absent after all requests, store failures and an uncaught exception", async () => {
    const { child, started, ended } = runCrashing("exception");
    const url = await started;
    for (const request of canaryRequests()) assertNothingInternal(await sendText(url, request));
    child.kill("SIGUSR2");
    assertCrashed(await ended);
  });

  it("are absent after an unhandled rejection with requests in flight", async () => {
    const { started: callStarted } = hang(upstream(), "listWorkflows");
    const { child, started, ended } = runCrashing("rejection");
    const { port, hostname } = new URL(await started);
    const sockets: Socket[] = [];
    for (const lines of [admin, [`Authorization: Bearer ${secrets.apiKey}`, `X-Note: ${clientText}`]])
      for (const request of operationRequests(lines)) {
        const socket = connect(Number(port), hostname).on("error", () => undefined);
        // Those with a body are still under way when it happens.
        socket.write(request.startsWith("POST") ? request.slice(0, -5) : request);
        sockets.push(socket);
      }
    await callStarted;
    child.kill("SIGUSR2");
    const ending = await ended;
    for (const socket of sockets) socket.destroy();
    assertCrashed(ending);
  });

  it("are absent if the process does not start because a setting is wrong", async () => {
    const wrong = { ...settings(), API_TOKEN: `${secrets.adminToken} again`, R2_ENDPOINT: "none" };
    const ending = await runGateway(wrong).ended;
    assert.equal(ending.code, 1);
    assert.notEqual(ending.stderr, "");
    assertNoSecrets("the output", outputOf(ending));
  });
});

describe("secrets in the violations of settings", () => {
  const store = { R2_ENDPOINT: "http://127.0.0.1:9", R2_ACCESS_KEY_ID: secrets.accessKeyId };
  for (const [what, wrong, readFile] of [
    ["a name is wrong", { ...store, R2_SECRET_KEY: secrets.secretAccessKey }, readText],
    ["a file holds a wrong value", { API_TOKEN_FILE: "token" }, () => `${secrets.adminToken} again`],
    [
      "secrets of Stripe are mixed up",
      { STRIPE_SECRET_KEY: secrets.webhookSecret, STRIPE_WEBHOOK_SECRET: secrets.stripeKey },
      readText,
    ],
    [
      "a setting holds a secret for a path",
      { ...store, R2_SECRET_ACCESS_KEY_FILE: secrets.secretAccessKey },
      readText,
    ],
  ] as const)
    it(`are absent if ${what}`, () => {
      assertNoSecrets("the violations", settingErrors(wrong, readFile).join());
    });
});
