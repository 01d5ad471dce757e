import assert from "node:assert/strict";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import { suite } from "../support/gateway.ts";
import { sendPath } from "../support/raw-http.ts";
import { jsonPost, oneStep, workflowIn } from "../support/samples.ts";
import { callsDuring, startStack } from "../support/stack.ts";

interface ErrorBody {
  code: string;
  message: string;
  retryable: boolean;
  details: { path: string; message: string }[];
}

const step = (more: object) => ({ name: "n", steps: [{ id: "a", tool: "af2", ...more }] });

describe("validation", () => {
  const stack = suite(() =>
    startStack({ submitWorkflow: () => workflowIn(JobState.QUEUED), listWorkflows: () => ({}) }),
  );

  /** Sends a request that must be rejected before any call. Returns the distinct pointers of its violations. */
  async function pointersOf(path: string, init: RequestInit = {}): Promise<string[]> {
    let pointers: string[] = [];
    const calls = await callsDuring(stack().upstream, async () => {
      const response = await stack().gateway.fetch(path, init);
      const { details, ...body } = (await response.json()) as ErrorBody;
      assert.equal(response.status, 400);
      assert.deepEqual([body.code, body.retryable], ["INVALID_ARGUMENT", false]);
      assert.ok(details.every(({ message }) => message !== ""));
      pointers = [...new Set(details.map(({ path }) => path))].sort();
    });
    assert.deepEqual(calls, []);
    return pointers;
  }

  describe("of the query", () => {
    const cases: [query: string, ...pointers: string[]][] = [
      ["?unknown=1", "/query/unknown"],
      ["?a~b/c=1", "/query/a~0b~1c"],
      ["?page_size=1&page_size=2", "/query/page_size"],
      ["?state=QUEUED&state=FAILED", "/query/state"],
      ["?page_token=a&page_token=a", "/query/page_token"],
      ["?page_size=", "/query/page_size"],
      ["?page_token=%20", "/query/page_token"],
      ["?page_token=&state=", "/query/state"],
      ["?page_size=0", "/query/page_size"],
      ["?page_size=101", "/query/page_size"],
      ["?page_size=-1", "/query/page_size"],
      ["?page_size=0x10", "/query/page_size"],
      ["?page_size=1e1", "/query/page_size"],
      ["?page_size=%205", "/query/page_size"],
      ["?page_size=+5", "/query/page_size"],
      ["?page_size=5.0", "/query/page_size"],
      ["?page_size=05", "/query/page_size"],
      ["?page_size=Infinity", "/query/page_size"],
      ["?page_size=1e400", "/query/page_size"],
      ["?page_size=ten", "/query/page_size"],
      ["?state=queued", "/query/state"],
      ["?state=UNSPECIFIED", "/query/state"],
      ["?label=team", "/query/label/0"],
      ["?label==alpha", "/query/label/0"],
      ["?label=a=b&label=c", "/query/label/1"],
      ["?label=a=b&label=a=c", "/query/label/1"],
      ["?label=a=%00", "/query/label/0"],
      ["?access_token=secret", "/query/access_token"],
      [
        "?page_size=0&state=x&foo=1&label=z",
        "/query/foo",
        "/query/label/0",
        "/query/page_size",
        "/query/state",
      ],
    ];
    for (const [query, ...pointers] of cases) {
      it(`rejects ${query}`, async () => {
        assert.deepEqual(await pointersOf(`/v1/workflows${query}`), pointers);
      });
    }

    it("accepts an empty page_token for the first page", async () => {
      const asked: string[] = [];
      stack().upstream.rpcs.listWorkflows = ({ pageToken }) => {
        asked.push(pageToken);
        return {};
      };
      assert.equal((await stack().gateway.fetch("/v1/workflows?page_token=&page_size=5")).status, 200);
      assert.deepEqual(asked, [""]);
    });

    it("reports a misspelled value only once", async () => {
      const response = await stack().gateway.fetch("/v1/workflows?page_size=abc");
      const { details } = (await response.json()) as ErrorBody;
      assert.deepEqual(details, [
        { path: "/query/page_size", message: "must be an integer in decimal digits" },
      ]);
    });

    for (const path of [
      "/v1/healthz",
      "/v1/readyz",
      "/metrics",
      "/v1/workflows/w1",
      "/v1/workflows/w1/events",
    ]) {
      it(`rejects a parameter of ${path}, which has none`, async () => {
        assert.deepEqual(await pointersOf(`${path}?x=1`), ["/query/x"]);
      });
    }
  });

  describe("of the path", () => {
    for (const id of ["a%2Fb", "a%20b", "%C3%BC", "a".repeat(129), "a;b", "%00"]) {
      it(`rejects the workflow id ${id}`, async () => {
        assert.deepEqual(await pointersOf(`/v1/workflows/${id}`), ["/params/id"]);
      });
    }

    for (const path of [
      "/v1/workflows/%",
      "/v1/workflows/%zz",
      "/v1/workflows/%ff",
      "/v1/workflows/%C0%AF/retry",
    ]) {
      it(`returns 400 for ${path}, which cannot be decoded`, async () => {
        const method = path.endsWith("retry") ? "POST" : "GET";
        const headers = { Authorization: "Bearer admin-token-of-the-tests" };
        const response = await sendPath(stack().gateway.url, path, { method, headers });
        assert.equal(response.status, 400);
        assert.equal((JSON.parse(response.body) as ErrorBody).code, "INVALID_ARGUMENT");
      });
    }
  });

  describe("of the body", () => {
    const long = "x".repeat(257);
    const cases: [what: string, body: unknown, ...pointers: string[]][] = [
      ["null", null, "/body"],
      ["an array", [], "/body"],
      ["a string", "x", "/body"],
      ["an empty object", {}, "/body/name", "/body/steps"],
      ["an unknown property", { ...oneStep, extra: 1 }, "/body/extra"],
      ["a spec property in camel case", { ...oneStep, idempotencyKey: "k" }, "/body/idempotencyKey"],
      ["an unknown property of a step", step({ dependsOn: [] }), "/body/steps/0/dependsOn"],
      ["an unknown resource", step({ resources: { gpus: 1 } }), "/body/steps/0/resources/gpus"],
      ["an empty name", { ...oneStep, name: "" }, "/body/name"],
      ["a name with a control character", { ...oneStep, name: "a\u0000" }, "/body/name"],
      ["a name that is not a string", { ...oneStep, name: 1 }, "/body/name"],
      ["a long name", { ...oneStep, name: long }, "/body/name"],
      ["an empty list of steps", { name: "n", steps: [] }, "/body/steps"],
      ["steps that are an object", { name: "n", steps: {} }, "/body/steps"],
      ["a step that is not an object", { name: "n", steps: ["a"] }, "/body/steps/0"],
      ["a step without id", { name: "n", steps: [{ tool: "af2" }] }, "/body/steps/0/id"],
      ["a step without tool", { name: "n", steps: [{ id: "a" }] }, "/body/steps/0/tool"],
      ["an unknown tool", { name: "n", steps: [{ id: "a", tool: "AF2" }] }, "/body/steps/0/tool"],
      ["a label that is not a string", { ...oneStep, labels: { team: 1 } }, "/body/labels/team"],
      ["a long label", { ...oneStep, labels: { team: long } }, "/body/labels/team"],
      [
        "a gpu_count that is a string",
        step({ resources: { gpu_count: "1" } }),
        "/body/steps/0/resources/gpu_count",
      ],
      ["a negative gpu_count", step({ resources: { gpu_count: -1 } }), "/body/steps/0/resources/gpu_count"],
      [
        "a memory_mb above uint32",
        step({ resources: { memory_mb: 4294967296 } }),
        "/body/steps/0/resources/memory_mb",
      ],
      ["a dependency that is not a string", step({ depends_on: [1] }), "/body/steps/0/depends_on/0"],
      ["a dangling dependency", step({ depends_on: ["b"] }), "/body/steps/0/depends_on/0"],
      ["a step that depends on itself", step({ depends_on: ["a"] }), "/body/steps/0/depends_on/0"],
      ["a duplicate id", { name: "n", steps: [oneStep.steps[0], oneStep.steps[0]] }, "/body/steps/1/id"],
    ];
    for (const [what, body, ...pointers] of cases) {
      it(`rejects ${what}`, async () => {
        assert.deepEqual(await pointersOf("/v1/workflows", jsonPost(body)), pointers);
      });
    }

    it("does not validate the items of a list that is too long", async () => {
      const huge = Array.from({ length: 200_000 }, (_, index) => `s${index}`);
      assert.deepEqual(await pointersOf("/v1/workflows", jsonPost({ name: "n", steps: huge.map(() => 0) })), [
        "/body/steps",
      ]);
      assert.deepEqual(
        await pointersOf("/v1/workflows", jsonPost(step({ depends_on: huge.slice(0, 50_000) }))),
        [
          "/body/steps/0/depends_on",
          ...Array.from({ length: 99 }, (_, index) => `/body/steps/0/depends_on/${index}`).sort(),
        ],
      );
    });

    it("reports all violations of a step with a wrong or missing tool", async () => {
      const rest = { bogus: 1, params: 5, depends_on: ["b"], resources: { gpu_count: -1 } };
      for (const tool of ["af", undefined]) {
        const body = { name: "n", steps: [{ id: "a", tool, ...rest }] };
        assert.deepEqual(await pointersOf("/v1/workflows", jsonPost(body)), [
          "/body/steps/0/bogus",
          "/body/steps/0/depends_on/0",
          "/body/steps/0/params",
          "/body/steps/0/resources/gpu_count",
          "/body/steps/0/tool",
        ]);
      }
    });

    it("reports all violations at once: of schemas, DAG, content, query and headers", async () => {
      let deep: unknown = 1;
      for (let level = 0; level < 40; level++) deep = { deep };
      const body = {
        name: 7,
        extra: true,
        steps: [
          { id: "a", tool: "rfdiffusion", params: { num_designs: "3" }, depends_on: ["b"] },
          { id: "b", tool: "af2", depends_on: ["a", "nowhere"], params: { odd: { deep } } },
          { id: "a", tool: "blast" },
        ],
      };
      const pointers = await pointersOf("/v1/workflows?x=1", jsonPost(body, { "Idempotency-Key": "ü" }));
      const expected = [
        "/body/extra",
        "/body/name",
        "/body/steps/0/params/num_designs",
        "/body/steps/1/depends_on/1",
        "/body/steps/2/id",
        "/body/steps/2/tool",
        "/headers/idempotency-key",
        "/query/x",
      ];
      assert.deepEqual(
        expected.filter((pointer) => !pointers.includes(pointer)),
        [],
      );
      assert.ok(pointers.some((pointer) => pointer.startsWith("/body/steps/1/params/odd/deep")));
      // The cycle may be reported at either of its steps.
      assert.ok(pointers.some((pointer) => /^\/body\/steps\/[01]\/depends_on\/0$/.test(pointer)));
    });

    for (const [what, path, init, message] of [
      [
        "property",
        "/v1/workflows",
        jsonPost({ name: "n", steps: [{ id: "a", tool: "af2", dependsOn: [] }] }),
        "/body/steps/0/dependsOn is not a property of this object; did you mean depends_on?",
      ],
      [
        "tool",
        "/v1/workflows",
        jsonPost({ name: "n", steps: [{ id: "a", tool: "rfdifusion" }] }),
        "/body/steps/0/tool must be one of rfdiffusion, proteinmpnn, boltz, af2; did you mean rfdiffusion?",
      ],
      [
        "state",
        "/v1/workflows?state=running",
        {},
        "/query/state must be one of QUEUED, RUNNING, SUCCEEDED, FAILED, CANCELLED; did you mean RUNNING?",
      ],
      [
        "parameter",
        "/v1/workflows?pageSize=5",
        {},
        "/query/pageSize is not a parameter of this operation; did you mean page_size?",
      ],
    ] as const)
      it(`suggests a name for an unknown ${what}`, async () => {
        const response = await stack().gateway.fetch(path, init);
        assert.equal(response.status, 400);
        assert.equal(((await response.json()) as ErrorBody).message, message);
      });

    it("lists at most 100 violations", async () => {
      const unknown = Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`l${i}`, 1]));
      assert.equal((await pointersOf("/v1/workflows", jsonPost({ ...oneStep, ...unknown }))).length, 100);
    });

    it("does not validate the properties of an object that has too many", async () => {
      const labels = Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`l${i}`, 1]));
      const pointers = await pointersOf("/v1/workflows", jsonPost({ ...oneStep, labels }));
      assert.deepEqual(pointers, ["/body/labels"]);
    });
  });
});
