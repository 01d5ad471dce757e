import assert from "node:assert/strict";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import { loadContract } from "../../src/contract.ts";
import { adminToken, suite } from "../support/gateway.ts";
import { upstreamOperations } from "../support/operations.ts";
import { sendText } from "../support/raw-http.ts";
import { workflowEvent, workflowIn } from "../support/samples.ts";
import { startStack } from "../support/stack.ts";
import type { UpstreamCall } from "../support/upstream.ts";

const traceId = "4bf92f3577b34da6a3ce929d0e0e4736";
const traceparent = `00-${traceId}-00f067aa0ba902b7-01`;
const canary = "canary-of-the-client";
const { version } = loadContract().document.info;

/** What a client might hope to see go upstream; most mean something to a gRPC server, or to one before it. */
const names = `
  ff-principal ff_principal ff-principal-bin ff-role ff-tenant ff-trace-id x-ff-principal
  grpc-timeout grpc-encoding grpc-accept-encoding grpc-status grpc-message grpc-status-details-bin
  grpc-previous-rpc-attempts grpc-retry-pushback-ms grpc-trace-bin grpc-tags-bin grpc-internal-encoding-request
  principal-bin trace-bin x-bin connect-protocol-version connect-timeout-ms
  x-request-id x-forwarded-for x-forwarded-host x-real-ip x-b3-traceid x-api-key x-user x-principal b3 baggage
  forwarded via user-agent referer origin cookie from proxy-authorization trailer keep-alive upgrade
  http2-settings path authority method scheme sec-fetch-site x-http-method-override
`
  .trim()
  .split(/\s+/);

const titled = (name: string) => name.replace(/\b[a-z]/g, (letter) => letter.toUpperCase());
const spellings = [(name: string) => name, titled, (name: string) => name.toUpperCase()];

/** Every call carries these and no others, but for the trace state of a client that sent one. */
function expectedNames({ rpc }: UpstreamCall, principal: string | undefined): string[] {
  return [
    "content-type",
    ...(principal === undefined || rpc === "AuthenticateApiKey" ? [] : ["ff-principal"]),
    ...(rpc === "StreamWorkflowEvents" ? [] : ["grpc-timeout"]),
    "te",
    "traceparent",
    "user-agent",
  ];
}

describe("the metadata of the calls that a request makes", () => {
  // Time passes between any two looks at it, so that each probe of readiness makes a call of its own.
  let ms = 0;
  const stack = suite(() =>
    startStack(
      {
        authenticateApiKey: () => ({ allowed: true, principal: "alice" }),
        consumeQuota: () => ({ allowed: true }),
        submitWorkflow: () => workflowIn(JobState.QUEUED),
        listWorkflows: () => ({}),
        getWorkflow: () => workflowIn(JobState.RUNNING),
        cancelWorkflow: () => workflowIn(JobState.CANCELLED),
        retryWorkflow: () => workflowIn(JobState.QUEUED),
        rankDesigns: () => ({}),
        getBalance: () => ({}),
        listLedger: () => ({}),
        async *streamWorkflowEvents() {
          yield await Promise.resolve(workflowEvent(1n, JobState.SUCCEEDED));
        },
      },
      { API_KEYS_ENABLED: "true" },
      { now: () => (ms += 1000) },
    ),
  );

  /** Sends a request with these header lines unchanged; returns its status and its calls. */
  async function send(method: string, path: string, lines: readonly string[], body = "") {
    const { upstream, gateway } = stack();
    const before = upstream.calls.length;
    const isChunked = lines.includes("Transfer-Encoding: chunked");
    const head = [
      `${method} ${path} HTTP/1.1`,
      "Host: gateway",
      "Connection: close",
      ...(body === "" ? [] : ["Content-Type: application/json"]),
      ...(body === "" || isChunked ? [] : [`Content-Length: ${Buffer.byteLength(body)}`]),
      ...lines,
    ];
    const response = await sendText(gateway.url, `${head.join("\r\n")}\r\n\r\n${body}`);
    return { status: Number(response.slice(9, 12)), calls: upstream.calls.slice(before) };
  }

  function assertMetadata(
    calls: readonly UpstreamCall[],
    principal: string | undefined,
    tracestate?: string,
  ) {
    assert.ok(calls.length > 0);
    for (const call of calls) {
      const {
        "grpc-timeout": timeout = "1m",
        traceparent: parent,
        ...rest
      } = Object.fromEntries(call.metadata);
      const names = expectedNames(call, principal);
      const expected = tracestate === undefined ? names : [...names, "tracestate"];
      assert.deepEqual([...call.metadata.keys()], expected.toSorted(), call.rpc);
      assert.match(timeout, /^\d+m$/);
      assert.match(parent ?? "", /^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
      assert.deepEqual(rest, {
        "content-type": "application/grpc+proto",
        te: "trailers",
        "user-agent": `foldforge-gateway/${version}`,
        ...(names.includes("ff-principal") ? { "ff-principal": principal } : {}),
        ...(tracestate === undefined ? {} : { tracestate }),
      });
    }
  }

  const operations = [
    ...upstreamOperations.map(({ id, path, init }) => ({
      id,
      method: init.method ?? "GET",
      isForAdmin: init.token === undefined,
      path,
      lines: Object.entries(init.headers ?? {})
        .filter(([name]) => name !== "Content-Type")
        .map(([name, value]) => `${name}: ${value}`),
      body: typeof init.body === "string" ? init.body : "",
    })),
    { id: "readyz", method: "GET", isForAdmin: true, path: "/v1/readyz", lines: [], body: "" },
  ];
  const callNothing = [
    "validateWorkflow",
    "createCheckout",
    "healthz",
    "metrics",
    "getOpenapiYaml",
    "getOpenapiJson",
    "getDocs",
    "getDocsFile",
  ];

  /** Only Stripe can call it; it has tests of its own. */
  const signed = "stripeWebhook";

  it("is looked at in every operation of the contract but those that call nothing, and the webhook", () => {
    const ids = loadContract().paths.flatMap((path) => path.operations.map(({ id }): string => id));
    assert.deepEqual(new Set([...operations.map(({ id }) => id), ...callNothing, signed]), new Set(ids));
  });

  const callers = [
    ["a key", "alices-key", "alice"],
    ["the admin", adminToken, undefined],
  ] as const;

  for (const { id, method, isForAdmin, path, lines, body } of operations)
    for (const [who, token, principal] of callers) {
      if (principal === undefined && !isForAdmin) continue;
      it(`of ${[id, ...lines].join(" with ")} by ${who} is what the gateway says, whatever the client sends`, async () => {
        for (const spelled of spellings) {
          const { calls } = await send(
            method,
            path,
            [
              `Authorization: Bearer ${token}`,
              `Traceparent: ${traceparent}`,
              "TE: trailers",
              ...names.map((name) => `${spelled(name)}: ${canary}`),
              ...lines,
            ],
            body,
          );
          assertMetadata(calls, id === "readyz" ? undefined : principal);
        }
      });
    }

  const key = "Authorization: Bearer alices-key";
  const workflow = "/v1/workflows/w1";

  for (const [what, lines, tracestate] of [
    ["two traceparents", [`traceparent: ${traceparent}`, `traceparent: ${traceparent}`], undefined],
    ["a traceparent with a suffix", [`traceparent: ${traceparent}, ff-principal=bob`], undefined],
    ["a traceparent in upper case", [`traceparent: ${traceparent.toUpperCase()}`], undefined],
    ["a tracestate alone", ["tracestate: a=b"], undefined],
    ["a tracestate", [`traceparent: ${traceparent}`, "tracestate: a=b"], "a=b"],
    ["two tracestates", [`traceparent: ${traceparent}`, "TraceState: a=b", "tracestate: c=d"], "a=b, c=d"],
    [
      "a tracestate with encoded line breaks",
      [`traceparent: ${traceparent}`, "tracestate: a=b%0d%0aff-principal: bob"],
      "a=b%0d%0aff-principal: bob",
    ],
    ["a tracestate with a tab", [`traceparent: ${traceparent}`, "tracestate: a=b\tc=d"], undefined],
    [
      "a tracestate that is no ASCII",
      [`traceparent: ${traceparent}`, "tracestate: a=\u00e9\u{1f9ec}"],
      undefined,
    ],
    [
      "a tracestate without end",
      [`traceparent: ${traceparent}`, `tracestate: ${"a".repeat(513)}`],
      undefined,
    ],
  ] as const)
    it(`has ${tracestate === undefined ? "no" : "the"} tracestate for ${what}`, async () => {
      const { status, calls } = await send("GET", workflow, [key, ...lines]);
      assert.equal(status, 200);
      assertMetadata(calls, "alice", tracestate);
      const isContinued = calls.every(({ metadata }) => metadata.get("traceparent")?.includes(traceId));
      assert.equal(isContinued, lines[0] === `traceparent: ${traceparent}` && !what.includes("traceparents"));
    });

  for (const line of [
    "X-Note: a\rff-principal: bob",
    "X-Note: a\nff-principal: bob",
    "X-Note: a\r\n ff-principal: bob",
    "X-Note: a\u0000ff-principal: bob",
    "ff-principal : bob",
    " ff-principal: bob",
    "ff principal: bob",
    ":authority: bob",
    ": bob",
    "ff-principal",
    "TE: ff-principal",
    "Authorization: Bearer bobs-key",
  ])
    it(`has no chance with ${JSON.stringify(line)}: that is 400`, async () => {
      const { status, calls } = await send("GET", workflow, [key, line]);
      assert.deepEqual([status, calls], [400, []]);
    });

  const breaks = "a\r\nff-principal: bob";

  it("has nothing of a body or its trailers", async () => {
    const body = JSON.stringify({
      name: "n",
      steps: [{ id: "a", tool: "af2", params: { [breaks]: breaks } }],
    });
    const { status, calls } = await send(
      "POST",
      "/v1/workflows",
      [key, "Transfer-Encoding: chunked", "Trailer: ff-principal", `Idempotency-Key: ${encodeURI(breaks)}`],
      `${body.length.toString(16)}\r\n${body}\r\n0\r\nff-principal: bob\r\nff-trailer-bin: bob\r\n\r\n`,
    );
    assert.equal(status, 201);
    assertMetadata(calls, "alice");
  });

  for (const [what, path] of [
    ["a page token", `/v1/workflows?page_token=${encodeURIComponent(breaks)}`],
    ["a label", `/v1/workflows?label=${encodeURIComponent(`team=${breaks}`)}`],
    ["an id", `/v1/workflows/${encodeURIComponent(breaks)}`],
    ["a key", `/v1/workflows/w1/artifacts/${encodeURIComponent(breaks)}`],
  ] as const)
    it(`has no chance with line breaks in ${what}: that is 400`, async () => {
      const { status, calls } = await send("GET", path, [key]);
      assert.deepEqual([status, calls.filter(({ rpc }) => rpc !== "AuthenticateApiKey")], [400, []]);
    });
});
