import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import express from "express";
import type { NextFunction, Request, Response } from "express";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import type {
  SubmitWorkflowRequest,
  WorkflowSpec,
} from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import { jsonBody } from "../../src/http/body.ts";
import { TaskQueue } from "../../src/load-shedding/task-queue.ts";
import { suite } from "../support/gateway.ts";
import { oneStep, workflowIn } from "../support/samples.ts";
import { serve } from "../support/serve.ts";
import { callsDuring, startStack } from "../support/stack.ts";

const json = JSON.stringify(oneStep);
/** A valid submission of exactly `bytes` bytes: JSON may end in any white space. */
const jsonOf = (bytes: number) => json.padEnd(bytes, " ");

describe("a request body", () => {
  const queued = () => workflowIn(JobState.QUEUED);
  const stack = suite(() => startStack({ submitWorkflow: queued, retryWorkflow: queued }));

  describe("jsonBody", () => {
    async function post(body: RequestInit["body"], headers: Record<string, string>) {
      // A Blob without a type lets fetch send no Content-Type at all.
      const response = await stack().gateway.fetch("/v1/workflows", {
        method: "POST",
        body: body ?? null,
        headers,
      });
      return {
        status: response.status,
        body: (await response.json()) as { code: string; message: string; details?: object[] },
      };
    }

    for (const type of [
      "application/json",
      "application/json; charset=utf-8",
      "Application/JSON;charset=UTF-8",
      'application/json; charset="utf-8"',
      'application/json; charset="ut\\f-8"',
      "application/json; profile=x",
      'application/json ;profile="; charset=utf-16; charset=x";; Charset=UTF-8;',
    ]) {
      it(`reads ${type}`, async () => {
        assert.equal((await post(json, { "Content-Type": type })).status, 201);
      });
    }

    const notJson: [actual: string, body: RequestInit["body"], headers: Record<string, string>][] = [
      ["no Content-Type", new Blob([json]), {}],
      ...[
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/jsonp",
        "application/merge-patch+json",
        "application/json; charset=latin1",
        "application/json; charset=utf8",
        'application/json; charset="utf-8',
        "application/json; charset=",
        "application/json, application/json",
        "application/json; charset=utf-8 x",
        "application/json; charset=utf-16",
      ].map((type): [string, string, Record<string, string>] => [
        `Content-Type: ${type}`,
        json,
        { "Content-Type": type },
      ]),
      [`Content-Type: ${"x".repeat(64)}…`, json, { "Content-Type": "x".repeat(8000) }],
      ["Content-Type: text/?pl?in", json, { "Content-Type": "text/\tpl\xe4in" }],
      [
        "Content-Encoding: GZIP",
        gzipSync(json),
        { "Content-Type": "application/json", "Content-Encoding": "GZIP" },
      ],
      ["bytes that are not UTF-8", Buffer.from([0x22, 0xff, 0x22]), { "Content-Type": "application/json" }],
    ];
    for (const [actual, body, headers] of notJson) {
      it(`responds with 415 to ${actual}, without a call`, async () => {
        const calls = await callsDuring(stack().upstream, async () => {
          const response = await post(body, headers);
          assert.equal(response.status, 415);
          assert.equal(response.body.code, "INVALID_ARGUMENT");
          assert.ok(response.body.message.endsWith(`; this request has ${actual}`), response.body.message);
        });
        assert.deepEqual(calls, []);
      });
    }

    it("reads a body of exactly 1 MiB", async () => {
      assert.equal((await post(jsonOf(1024 * 1024), { "Content-Type": "application/json" })).status, 201);
    });

    it("responds with 413 to one byte more", async () => {
      const response = await post(jsonOf(1024 * 1024 + 1), { "Content-Type": "application/json" });
      assert.equal(response.status, 413);
      assert.equal(response.body.code, "INVALID_ARGUMENT");
    });

    it("responds with 413 to more than 1 MiB in chunks", async () => {
      const response = await stack().gateway.fetch("/v1/workflows", {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: new Blob([jsonOf(1024 * 1024 + 1)]).stream(),
        duplex: "half",
      });
      assert.equal(response.status, 413);
    });

    it("sends Accept-Encoding only if the content coding is the reason", async () => {
      const responseTo = async (headers: Record<string, string>) =>
        await stack().gateway.fetch("/v1/workflows", { method: "POST", body: json, headers });
      const coded = await responseTo({ "Content-Type": "application/json", "Content-Encoding": "br" });
      assert.deepEqual([coded.status, coded.headers.get("accept-encoding")], [415, "identity"]);
      const typed = await responseTo({ "Content-Type": "text/plain" });
      assert.deepEqual([typed.status, typed.headers.get("accept-encoding")], [415, null]);
    });

    for (const [type, parameter] of [
      ["application/json; charset=utf-8; charset=utf-16", "charset"],
      ["application/json; charset=utf-8; CHARSET=utf-8", "charset"],
      ["application/json; a=b; a=b", "a"],
    ] as const)
      it(`responds with 400 to ${type}`, async () => {
        const response = await post(json, { "Content-Type": type });
        assert.equal(response.status, 400);
        assert.match(JSON.stringify(response.body), new RegExp(`only one parameter ${parameter}"`));
      });

    for (const [text, message] of [
      ["", "must be JSON: the body is empty"],
      ["\ufeff", "must be JSON: the body is empty"],
      ["{", "must be JSON: expected a key in double quotes instead of the end at line 1, column 2"],
      ['{"name":}', "must be JSON: expected a value instead of '}' at line 1, column 9"],
      ['{"name":"n"} x', "must be JSON: expected the end instead of 'x' at line 1, column 14"],
      ["\ufeff\ufeff{}", "must be JSON: expected a value instead of U+FEFF at line 1, column 1"],
    ] as const)
      it(`responds with 400 at /body to ${JSON.stringify(text)}`, async () => {
        const response = await post(text, { "Content-Type": "application/json" });
        assert.equal(response.status, 400);
        assert.deepEqual(response.body.details, [{ path: "/body", message }]);
      });

    it("ignores a byte order mark", async () => {
      assert.equal((await post(`\ufeff${json}`, { "Content-Type": "application/json" })).status, 201);
    });

    it("responds with 400 at each repeated key, without a call", async () => {
      const text =
        '{"name":"a","steps":[{"id":"a","tool":"af2","params":{"x":{"é":1,"\\u00e9":2}},"i\\u0064":"b"}],"name":"a"}';
      const calls = await callsDuring(stack().upstream, async () => {
        const response = await post(text, { "Content-Type": "application/json" });
        assert.equal(response.status, 400);
        const message = "must be given once";
        assert.deepEqual(response.body.details, [
          { path: "/body/steps/0/params/x/é", message },
          { path: "/body/steps/0/id", message },
          { path: "/body/name", message },
        ]);
      });
      assert.deepEqual(calls, []);
    });

    it("does not block the event loop while it parses a long body", async () => {
      let turns = 0;
      const app = express().use(
        (req: Request, res: Response, next: NextFunction) => {
          turns = 0;
          function count() {
            turns += 1;
            if (!res.headersSent) setImmediate(count);
          }
          req.once("end", () => setImmediate(count));
          next();
        },
        (_req: Request, res: Response, next: NextFunction) => {
          res.locals.caller = { kind: "admin", token: "current" };
          next();
        },
        ...jsonBody({
          maxBodyBytes: 1024 * 1024,
          largeBodies: {
            acquire: () => Promise.resolve(),
            acquireParser: () => Promise.resolve(() => undefined),
          },
          tasks: new TaskQueue(),
        }),
        (_req: Request, res: Response) => res.end(String(turns)),
      );
      const { url, close } = await serve(app);
      const turnsFor = async (bytes: number) => {
        const headers = { "Content-Type": "application/json" };
        return Number(await (await fetch(url, { method: "POST", body: jsonOf(bytes), headers })).text());
      };
      assert.equal(await turnsFor(2 * 1024), 0);
      assert.ok((await turnsFor(2 * 1024 + 1)) >= 2);
      await close(0);
    });

    it("never logs the content of a body", async () => {
      await post('{"name":"word-of-the-client"', { "Content-Type": "application/json" });
      assert.ok(!stack().gateway.logText.includes("word-of-the-client"));
    });
  });

  describe("jsonBody with MAX_BODY_BYTES of 2 MiB", () => {
    let submitted: WorkflowSpec | undefined;
    const submitWorkflow = ({ spec }: SubmitWorkflowRequest) => {
      submitted = spec;
      return queued();
    };
    const large = suite(() => startStack({ submitWorkflow }, { MAX_BODY_BYTES: "2097152" }));
    const post = (body: string) =>
      large().gateway.fetch("/v1/workflows", {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body,
      });

    it("passes on a structure of 1.9 MiB as text in params", async () => {
      const structure = "ATOM      1  N   GLY A   1      11.104   6.134  -6.504\n".repeat(36_000);
      const params = { "inference.input_pdb": structure };
      const body = JSON.stringify({ ...oneStep, steps: [{ id: "a", tool: "rfdiffusion", params }] });
      assert.ok(body.length > 1.9 * 1024 * 1024);
      assert.equal((await post(body)).status, 201);
      assert.ok(submitted?.steps[0]?.params?.["inference.input_pdb"] === structure);
    });

    it("reads a body of exactly 2 MiB, and responds with 413 to one byte more", async () => {
      assert.equal((await post(jsonOf(2_097_152))).status, 201);
      const response = await post(jsonOf(2_097_153));
      assert.equal(response.status, 413);
      assert.match(await response.text(), /the body is larger than 2097152 bytes/);
    });
  });

  describe("an operation without a body", () => {
    it("ignores one", async () => {
      const response = await stack().gateway.fetch("/v1/workflows/w1/retry", {
        method: "POST",
        body: "not json",
        headers: { "Content-Type": "text/plain" },
      });
      assert.equal(response.status, 200);
    });
  });
});
