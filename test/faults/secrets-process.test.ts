import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { connect } from "node:net";
import type { Socket } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import { suite } from "../support/gateway.ts";
import { runGateway } from "../support/gateway-process.ts";
import type { ProcessExit } from "../support/gateway-process.ts";
import { hang } from "../support/hang.ts";
import { sendText } from "../support/raw-http.ts";
import { workflowIn } from "../support/samples.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { startUpstream } from "../support/upstream.ts";
import {
  assertNoSecrets,
  assertNothingInternal,
  canaryRequests,
  clientText,
  operationRequests,
  secrets,
} from "./canaries.ts";
import { s3Error, startRawStore } from "./raw-store.ts";

const admin = [`Authorization: Bearer ${secrets.adminToken}`];
const preload = fileURLToPath(new URL("crash-on-signal.ts", import.meta.url));

/** The complete output of a process. */
function outputOf({ lines, stderr }: ProcessExit): string {
  return `${lines.map((line) => JSON.stringify(line)).join("\n")}\n${stderr}`;
}

describe("secrets in the output of a process", () => {
  const upstream = suite(startUpstream);
  const store = suite(startRawStore);
  const folder = temporaryFolder();
  after("remove the file", () => folder[Symbol.dispose]());
  const wrongFile = join(folder.path, "token");
  writeFileSync(wrongFile, `${secrets.adminToken} again`);
  const settings = () => ({
    BIND_ADDR: "127.0.0.1:0",
    API_TOKEN: secrets.adminToken,
    API_KEYS_ENABLED: "true",
    DRAIN_DELAY_SECONDS: "0",
    ORCHESTRATOR_ENDPOINT: upstream().url,
    R2_ENDPOINT: store().url,
    R2_ACCESS_KEY_ID: secrets.accessKeyId,
    R2_SECRET_ACCESS_KEY: secrets.secretAccessKey,
  });
  beforeEach("an orchestrator and a store", () => {
    Object.assign(upstream().rpcs, {
      authenticateApiKey: () => ({ allowed: true, principal: "alice" }),
      getWorkflow: () => workflowIn(JobState.SUCCEEDED, [{ uri: "r2://foldforge/a.pdb", sizeBytes: 1000n }]),
    });
    store().respond = (socket, requestHead) =>
      socket.write(s3Error("403 Forbidden", "AccessDenied", requestHead));
  });

  it("are absent after all requests and store failures", async () => {
    const { child, started, ended } = runGateway(settings());
    const url = await started;
    for (const request of canaryRequests()) assertNothingInternal(await sendText(url, request));
    child.kill("SIGTERM");
    const ending = await ended;
    assert.deepEqual([ending.code, ending.stderr], [0, ""]);
    assertNoSecrets("the output", outputOf(ending));
  });

  for (const kind of ["exception", "rejection"])
    it(`are absent after an uncaught error, by ${kind}`, async () => {
      const { started: callStarted } = hang(upstream(), "listWorkflows");
      const { child, started, ended } = runGateway(settings(), {
        more: { CRASH: kind },
        execArgv: ["--import", preload],
      });
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
      assert.equal(ending.code, 70);
      const last = ending.lines.at(-1)!;
      assert.deepEqual([last["level"], last.event], ["fatal", "gateway.crashed"]);
      assert.match(JSON.stringify(last["err"]), /"message":"unforeseen".*"message":"the cause"/);
      assertNoSecrets("the output", outputOf(ending));
    });

  for (const [what, wrong] of [
    [
      "a setting is wrong",
      () => ({ ...settings(), API_TOKEN: `${secrets.adminToken} again`, R2_ENDPOINT: "none" }),
    ],
    [
      "a name is wrong",
      () => ({ ...settings(), R2_SECRET_ACCESS_KEY: "", R2_SECRET_KEY: secrets.secretAccessKey }),
    ],
    [
      "a file holds a wrong value, and another setting holds a secret for a path",
      () => ({
        ...settings(),
        API_TOKEN: "",
        API_TOKEN_FILE: wrongFile,
        R2_SECRET_ACCESS_KEY: "",
        R2_SECRET_ACCESS_KEY_FILE: secrets.secretAccessKey,
      }),
    ],
    ["its address is taken", () => ({ ...settings(), BIND_ADDR: new URL(store().url).host })],
  ] as const)
    it(`are absent if the process does not start because ${what}`, async () => {
      const ending = await runGateway(wrong()).ended;
      assert.equal(ending.code, 1);
      assert.notEqual(ending.stderr, "");
      assertNoSecrets("the output", outputOf(ending));
    });
});
