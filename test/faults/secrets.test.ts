import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { connect } from "node:net";
import { Code, ConnectError } from "@connectrpc/connect";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import { startGateway } from "../../src/gateway.ts";
import { createLogger } from "../../src/telemetry/logger.ts";
import { settingsOf } from "../support/environment.ts";
import { suite } from "../support/gateway.ts";
import { sendText } from "../support/raw-http.ts";
import { workflowEvent, workflowIn } from "../support/samples.ts";
import { startUpstream } from "../support/upstream.ts";
import type { UpstreamRpcs } from "../support/upstream.ts";
import {
  assertNoSecrets,
  assertNothingInternal,
  internalTexts,
  canaryRequests,
  clientText,
  operationRequests,
  secrets,
  stripeSettings,
} from "./canaries.ts";
import { responseOf, s3Error, startRawStore, storeText } from "./raw-store.ts";
import { promptFaults } from "./store-faults.ts";

const admin = [`Authorization: Bearer ${secrets.adminToken}`];
const artifact = { uri: "r2://foldforge/a.pdb", sizeBytes: 300_000n };

/** An orchestrator that knows one key. */
const working: UpstreamRpcs = {
  authenticateApiKey({ keyHash }) {
    const allowed = keyHash === createHash("sha256").update(secrets.apiKey).digest("hex");
    return allowed ? { allowed, principal: "alice" } : { allowed, denyReason: internalTexts.upstream };
  },
  consumeQuota: () => ({ allowed: true, limit: 10n, used: 1n }),
  submitWorkflow: () => workflowIn(JobState.QUEUED),
  listWorkflows: () => ({}),
  getWorkflow: () => workflowIn(JobState.SUCCEEDED, [artifact]),
  cancelWorkflow: () => workflowIn(JobState.CANCELLED),
  retryWorkflow: () => workflowIn(JobState.QUEUED),
  rankDesigns: () => ({}),
  getBalance: () => ({}),
  listLedger: () => ({}),
  async *streamWorkflowEvents() {
    yield await Promise.resolve(workflowEvent(1n, JobState.SUCCEEDED));
  },
};

/** The codes whose message is forwarded to the caller. */
const forwarded: ReadonlySet<Code> = new Set([
  Code.InvalidArgument,
  Code.FailedPrecondition,
  Code.OutOfRange,
  Code.PermissionDenied,
  Code.NotFound,
  Code.AlreadyExists,
  Code.Aborted,
  Code.ResourceExhausted,
]);
const codes = Object.values(Code).filter((code) => typeof code === "number");

describe("secrets", () => {
  const upstream = suite(() => startUpstream(working));
  const store = suite(startRawStore);
  const written: string[] = [];
  const gateway = suite(() => {
    const logger = createLogger({ write: (line) => void written.push(line) });
    logger.level = "trace";
    const settings = {
      BIND_ADDR: "127.0.0.1:0",
      API_TOKEN: secrets.adminToken,
      API_KEYS_ENABLED: "true",
      AUTH_CACHE_TTL_SECONDS: "0.001",
      ORCHESTRATOR_ENDPOINT: upstream().url,
      R2_ENDPOINT: store().url,
      R2_ACCESS_KEY_ID: secrets.accessKeyId,
      R2_SECRET_ACCESS_KEY: secrets.secretAccessKey,
      ...stripeSettings(store().url),
    };
    return startGateway(settingsOf(settings), logger, {
      retryPolicy: { maxRetries: 1, backoffMs: () => 0, idleTimeoutMs: 1 },
    });
  });
  beforeEach("an orchestrator that works", () => {
    Object.assign(upstream().rpcs, working);
    written.length = 0;
  });

  /** Sends all requests. Resolves with the responses, the log and the metrics. */
  async function provoke(requests: readonly string[]) {
    const responses: string[] = [];
    for (const request of requests) responses.push(await sendText(gateway().url, request));
    const metrics = await (await fetch(`${gateway().url}/metrics`)).text();
    return { responses: responses.join("\n"), log: written.join(""), metrics };
  }

  function assertKept({ responses, log, metrics }: Awaited<ReturnType<typeof provoke>>) {
    assertNothingInternal(responses);
    assertNoSecrets("the log", log);
    assertNoSecrets("the metrics", metrics);
    for (const text of Object.values(internalTexts)) assert.ok(!metrics.includes(text));
  }

  it("are not repeated, wherever a client puts them", async () => {
    store().respond = (socket) => socket.write(responseOf("404 Not Found", internalTexts.store));
    const outcome = await provoke(canaryRequests());
    assertKept(outcome);
    for (const status of [200, 201, 400, 401, 404, 405, 413, 414, 415, 431])
      assert.ok(outcome.responses.includes(`HTTP/1.1 ${status} `), String(status));
  });

  for (const code of codes)
    it(`are not repeated if the orchestrator responds with ${Code[code]}`, async () => {
      const text = forwarded.has(code) ? "for the caller" : internalTexts.upstream;
      const headers = { "x-internal": internalTexts.upstream, "internal-bin": internalTexts.upstream };
      const fail = () => {
        throw new ConnectError(text, code, headers);
      };
      for (const rpc of Object.keys(working)) Object.assign(upstream().rpcs, { [rpc]: fail });
      const requests = operationRequests(admin);
      const unknown = await provoke(operationRequests([`Authorization: Bearer ${secrets.wrongToken}`]));
      assertKept(unknown);
      const outcome = await provoke(requests);
      assertKept(outcome);
      assert.equal(outcome.log.includes(internalTexts.upstream), !forwarded.has(code));
    });

  it("are not repeated if an event stream fails after its headers", async () => {
    upstream().rpcs.streamWorkflowEvents = async function* () {
      yield await Promise.resolve(workflowEvent(1n, JobState.RUNNING));
      throw new ConnectError(internalTexts.upstream, Code.Internal);
    };
    const outcome = await provoke(operationRequests(admin).filter((request) => request.includes("/events ")));
    assertKept(outcome);
    assert.match(outcome.responses, /event: stream_error\ndata: \{"code":"INTERNAL"/);
    assert.ok(outcome.log.includes(internalTexts.upstream));
  });

  it("are not repeated if a client disconnects within its body", async () => {
    const { port, hostname } = new URL(gateway().url);
    const whole = operationRequests([...admin, `X-Note: ${clientText}`])[0]!;
    const socket = connect(Number(port), hostname).on("error", () => undefined);
    socket.end(whole.slice(0, -5)).resume();
    await once(socket, "close");
    assertKept(await provoke([]));
  });

  describe("if the store fails", () => {
    const download = operationRequests(admin).filter((request) => request.includes("/artifacts/"));

    for (const [what, , response] of promptFaults)
      it(`are not repeated: it ${what}`, async () => {
        store().respond = response;
        assertKept(await provoke(download));
      });

    for (const [status, code] of [
      ["400 Bad Request", "AuthorizationHeaderMalformed"],
      ["403 Forbidden", "SignatureDoesNotMatch"],
      ["404 Not Found", "NoSuchBucket"],
      ["500 Internal Server Error", "InternalError"],
      ["200 OK", "InternalError"],
    ] as const)
      it(`are not repeated: it repeats the request in its ${status}`, async () => {
        store().respond = (socket, requestHead) =>
          socket.write(s3Error(status, code, `${storeText} ${requestHead}`));
        const outcome = await provoke(download);
        assertKept(outcome);
        assert.match(outcome.log, /the object store (?:responded with [45]|announced )/);
      });

    it("are not repeated: it repeats the request in place of a response", async () => {
      store().respond = (socket, requestHead) => socket.write(`${requestHead}\r\n\r\n`);
      assertKept(await provoke(download));
      store().respond = (socket, requestHead) => socket.end(`HTTP/1.1 403 ${requestHead}\r\n\r\n`);
      assertKept(await provoke(download));
    });
  });
});
