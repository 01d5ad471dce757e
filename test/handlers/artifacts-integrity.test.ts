import assert from "node:assert/strict";
import { once } from "node:events";
import type { RequestListener } from "node:http";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import { suite } from "../support/gateway.ts";
import { sendS3Error, serveBytes, startTestStore, storeSettings } from "../support/object-store.ts";
import { sha256, workflowIn } from "../support/samples.ts";
import { signal, startStack } from "../support/stack.ts";

const bytes = Buffer.from("ATOM      1  N   GLY A   1\n".repeat(20_000));
const wrong = Buffer.from(bytes);
wrong[wrong.length - 1] = 0x21;
const artifact = {
  uri: "r2://foldforge/a.pdb",
  contentType: "chemical/x-pdb",
  sizeBytes: BigInt(bytes.length),
  sha256: sha256(bytes),
};
const path = "/v1/workflows/w1/artifacts/a.pdb";
const route = "/v1/workflows/{id}/artifacts/{key}";

/** Answers 200 with these bytes and this length, or with chunks when there is none. */
function serve(body: Buffer, length?: number): RequestListener {
  return function serve(_req, res) {
    res.writeHead(200, length === undefined ? {} : { "Content-Length": length });
    // A length that is not the body's would be an error of the writer; the socket knows no such rule.
    if (length === undefined) res.end(body);
    else res.flushHeaders();
    if (length !== undefined) res.socket?.end(body);
  };
}

describe("GET /v1/workflows/{id}/artifacts/{key}, when the store misbehaves", () => {
  const store = suite(startTestStore);
  const stack = suite(() =>
    startStack(
      { getWorkflow: () => workflowIn(JobState.SUCCEEDED, [artifact]) },
      { ...storeSettings(store()), OBJECT_STORE_READ_TIMEOUT_SECONDS: "0.2" },
    ),
  );

  const bad: [what: string, answer: RequestListener][] = [
    ["other bytes of the same length", serveBytes(wrong)],
    ["too few bytes", serveBytes(bytes.subarray(0, -1))],
    ["too many bytes", serveBytes(Buffer.concat([bytes, bytes]))],
    ["too few bytes without a length", serve(bytes.subarray(0, -1))],
    ["too many bytes without a length", serve(Buffer.concat([bytes, Buffer.from("x")]))],
    ["the right length before too few bytes", serve(bytes.subarray(0, 1000), bytes.length)],
    ["nothing at all", serve(Buffer.alloc(0), 0)],
    [
      "half of it, and dies",
      (_req, res) => {
        res.writeHead(200, { "Content-Length": bytes.length });
        res.write(bytes.subarray(0, bytes.length / 2), () => res.destroy());
      },
    ],
    [
      "half of it, and then no more",
      (_req, res) => {
        res.writeHead(200, { "Content-Length": bytes.length });
        res.write(bytes.subarray(0, bytes.length / 2));
      },
    ],
    ["no answer", () => undefined],
    ["a broken connection", (_req, res) => void res.destroy()],
    ["500", (_req, res) => sendS3Error(res, 500, "InternalError")],
    ["SlowDown", (_req, res) => sendS3Error(res, 503, "SlowDown")],
    ["AccessDenied", (_req, res) => sendS3Error(res, 403, "AccessDenied")],
    ["NoSuchBucket", (_req, res) => sendS3Error(res, 404, "NoSuchBucket")],
    [
      "a page that is not S3's",
      (_req, res) => void res.writeHead(502).end("<html>secret-of-the-store</html>"),
    ],
  ];
  for (const [what, answer] of bad) {
    it(`gives a client that is owed the file an error when the store sends ${what}`, async () => {
      store().answer = answer;
      const received = await stack()
        .gateway.fetch(path)
        .then(
          async (response) => ({
            status: response.status,
            body: await response.text().catch(() => "failed"),
          }),
          () => ({ status: 0, body: "failed" }),
        );
      if (received.status >= 500) {
        const { message } = JSON.parse(received.body) as { message: string };
        assert.equal(message, "internal server error");
      } else {
        assert.equal(received.body, "failed");
      }
      assert.ok(stack().gateway.logs.some(({ event }) => event === "http.error"));
    });
  }

  const statuses = [
    ["InternalError", 500, 503],
    ["SlowDown", 503, 503],
    ["AccessDenied", 403, 500],
    ["NoSuchBucket", 404, 500],
  ] as const;
  for (const [code, status, expected] of statuses) {
    it(`answers ${expected} to ${code}`, async () => {
      store().answer = (_req, res) => sendS3Error(res, status, code);
      const answer = await stack().gateway.fetch(path);
      assert.equal(answer.status, expected);
      assert.ok(!(await answer.text()).includes("secret-of-the-store"));
    });
  }

  for (const [what, answer, expected] of [
    ["announces another length", serveBytes(bytes.subarray(0, -1)), 500],
    ["dies before the first bytes could be sent", serve(bytes.subarray(0, 10), bytes.length), 503],
    [
      "is silent before the first bytes could be sent",
      (_req, res) => {
        res.writeHead(200, { "Content-Length": bytes.length });
        res.write(bytes.subarray(0, 10));
      },
      503,
    ],
  ] satisfies [string, RequestListener, number][]) {
    it(`answers ${expected} when the store ${what}`, async () => {
      store().answer = answer;
      assert.equal((await stack().gateway.fetch(path)).status, expected);
    });
  }

  it("lets go of the store's connection when the client goes away, and takes it for no error", async () => {
    const gone = signal();
    const { logs, logged } = stack().gateway;
    const before = logs.length;
    store().answer = (_req, res) => {
      res.once("close", gone.resolve);
      res.writeHead(200, { "Content-Length": bytes.length });
      res.write(bytes.subarray(0, 200_000));
    };
    const leaving = new AbortController();
    const answer = await stack().gateway.fetch(path, { signal: leaving.signal });
    await answer.body?.getReader().read();
    leaving.abort();
    await gone.promise;
    const linesSince = () => stack().gateway.logs.slice(before);
    while (linesSince().length === 0) await once(logged, "line");
    // The error's line would come before the next request's.
    await stack().gateway.fetch("/v1/healthz");
    assert.deepEqual(
      linesSince().map(({ event, path, complete }) => ({ event, path, complete })),
      [
        { event: "http.request", path: route, complete: false },
        { event: "http.request", path: "/v1/healthz", complete: true },
      ],
    );
  });

  it("serves the file once the store is well again", async () => {
    store().answer = serveBytes(bytes);
    const answer = await stack().gateway.fetch(path);
    assert.ok(Buffer.from(await answer.arrayBuffer()).equals(bytes));
  });

  it("answers 500 to a small file of other bytes, and counts it as that", async () => {
    const small = { ...artifact, sizeBytes: 4n, sha256: sha256(Buffer.from("good")) };
    stack().upstream.rpcs.getWorkflow = () => workflowIn(JobState.SUCCEEDED, [small]);
    store().answer = serveBytes(Buffer.from("evil"));
    const answer = await stack().gateway.fetch(path);
    assert.equal(answer.status, 500);
    assert.equal(answer.headers.get("etag"), null);
    assert.match(await answer.text(), /"internal server error"/);
    const metrics = await (await stack().gateway.fetch("/metrics")).text();
    assert.match(metrics, /requests_total\{method="GET",path="[^"]+\{key\}",status="500"\} [1-9]/);
  });
});
