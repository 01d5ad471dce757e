import assert from "node:assert/strict";
import { create } from "@bufbuild/protobuf";
import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  GetBalanceRequestSchema,
  ListLedgerRequestSchema,
  ListLedgerResponseSchema,
} from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import type {
  GetBalanceRequest,
  ListLedgerRequest,
} from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import type { Schema } from "../../src/contract.ts";
import { startSandbox } from "../../src/sandbox/start-sandbox.ts";
import { finishedRun } from "../support/finished-run.ts";
import { startTestGateway, suite } from "../support/gateway.ts";
import { withKeys } from "../support/operations.ts";
import { createdAt, threeSteps } from "../support/samples.ts";
import { sandboxSettings, settingsFor } from "../support/sandbox.ts";
import { callsDuring, startStack } from "../support/stack.ts";

const token = "alices-key";
const paths = ["/v1/billing/balance", "/v1/billing/ledger"] as const;
const largest = 2n ** 63n - 1n;
const smallest = -(2n ** 63n);

describe("billing", () => {
  const stack = suite(() => startStack(withKeys.rpcs, withKeys.settings));
  // The validator takes numbers that are raw JSON for objects.
  const unchecked = suite(() => startStack(withKeys.rpcs, withKeys.settings, { operationStages: () => [] }));

  describe("GET /v1/billing/balance", () => {
    async function balance(amount: bigint, { gateway, upstream } = stack()) {
      const received: GetBalanceRequest[] = [];
      upstream.rpcs.getBalance = (request) => {
        received.push(request);
        return { balance: amount };
      };
      return { response: await gateway.fetch(paths[0], { token }), received };
    }

    it("responds with the balance of the key's principal", async () => {
      const { response, received } = await balance(99_970n);
      assert.equal(response.status, 200);
      assert.deepEqual(await response.json(), { balance: 99_970 });
      assert.deepEqual(received, [create(GetBalanceRequestSchema, { principal: "alice" })]);
    });

    for (const amount of [0n, -1n, 2n ** 53n - 1n]) {
      it(`sends ${amount} as a JSON integer`, async () => {
        assert.equal(await (await balance(amount)).response.text(), `{"balance":${amount}}`);
      });
    }

    for (const amount of [2n ** 53n + 1n, -(2n ** 53n) - 1n, largest, smallest]) {
      it(`sends ${amount} exactly, which no double holds`, async () => {
        const { response } = await balance(amount, unchecked());
        assert.equal(response.headers.get("content-type"), "application/json; charset=utf-8");
        assert.equal(await response.text(), `{"balance":${amount}}`);
      });
    }
  });

  describe("GET /v1/billing/ledger", () => {
    async function ledger(
      query: string,
      entries: MessageInitShape<typeof ListLedgerResponseSchema>["entries"] = [],
      { gateway, upstream } = stack(),
    ) {
      const received: ListLedgerRequest[] = [];
      upstream.rpcs.listLedger = (request) => {
        received.push(request);
        return create(ListLedgerResponseSchema, { entries });
      };
      return { response: await gateway.fetch(`${paths[1]}${query}`, { token }), received };
    }

    it("responds with 400 to a page above 1 MiB", async () => {
      const { response } = await ledger("", [{ reason: "x".repeat(1024 * 1024) }]);
      assert.equal(response.status, 400);
      assert.equal(((await response.json()) as { code: string }).code, "OUT_OF_RANGE");
    });

    it("sends every field of every entry, in order", async () => {
      const { response } = await ledger("", [
        { delta: -25n, reason: "rfdiffusion step «a»", balanceAfter: -5n, createdAt },
        { delta: 20n, reason: "grant", balanceAfter: 20n, createdAt: { seconds: 0n, nanos: 5 } },
      ]);
      assert.equal(response.status, 200);
      assert.deepEqual(await response.json(), {
        entries: [
          {
            delta: -25,
            reason: "rfdiffusion step «a»",
            balance_after: -5,
            created_at: "2026-01-05T09:00:00.000Z",
          },
          { delta: 20, reason: "grant", balance_after: 20, created_at: "1970-01-01T00:00:00.000000005Z" },
        ],
      });
    });

    it("sends 64-bit numbers exactly, which no double holds", async () => {
      const entry = { delta: smallest, reason: "", balanceAfter: largest, createdAt };
      const { response } = await ledger("", [entry], unchecked());
      assert.equal(
        await response.text(),
        `{"entries":[{"delta":${smallest},"reason":"","balance_after":${largest},"created_at":"2026-01-05T09:00:00.000Z"}]}`,
      );
    });

    for (const [query, limit] of [
      ["", 20],
      ["?limit=1", 1],
      ["?limit=200", 200],
      ["?limit=%31%30", 10],
    ] as const)
      it(`requests ${limit} entries of the key's principal for ${JSON.stringify(query)}`, async () => {
        const { response, received } = await ledger(query);
        assert.deepEqual(await response.json(), { entries: [] });
        assert.deepEqual(received, [create(ListLedgerRequestSchema, { principal: "alice", limit })]);
      });

    for (const [query, violation] of [
      ["?limit=0", "/query/limit must be >= 1"],
      ["?limit=-1", "/query/limit must be >= 1"],
      ["?limit=201", "/query/limit must be <= 200"],
      ["?limit=2147483647", "/query/limit must be <= 200"],
      ["?limit=1e2", "/query/limit must be an integer in decimal digits"],
      ["?limit=020", "/query/limit must be an integer in decimal digits"],
      ["?limit=1.0", "/query/limit must be an integer in decimal digits"],
      ["?limit=", "/query/limit must not be empty"],
      ["?limit=1&limit=1", "/query/limit must be given once"],
      ["?Limit=1", "/query/Limit is not a parameter of this operation; did you mean limit?"],
      ["?principal=", "/query/principal must not be empty"],
      ["?principal=a%0Ab", "/query/principal must not contain control characters"],
      ["?principals=bob", "/query/principals is not a parameter of this operation; did you mean principal?"],
    ] as const)
      it(`rejects ${query}, without a call`, async () => {
        const { response, received } = await ledger(query);
        const { details = [] } = (await response.json()) as Schema["Error"];
        assert.equal(response.status, 400);
        assert.deepEqual(
          details.map(({ path, message }) => `${path} ${message}`),
          [violation],
        );
        assert.deepEqual(received, []);
      });
  });

  for (const path of paths) {
    describe(`the caller of ${path}`, () => {
      it("returns 403 for the administrator's token, which has no credits, without a call", async () => {
        const { gateway, upstream } = stack();
        const calls = await callsDuring(upstream, async () => {
          for (const method of ["GET", "HEAD"]) {
            const response = await gateway.fetch(path, { method });
            assert.equal(response.status, 403);
            if (method === "HEAD") continue;
            const { code, message, retryable } = (await response.json()) as Schema["Error"];
            assert.deepEqual([code, retryable], ["PERMISSION_DENIED", false]);
            assert.match(message, /API key/);
          }
        });
        assert.deepEqual(calls, []);
      });

      it("may be the administrator, who names a principal", async () => {
        const { gateway, upstream } = stack();
        const principals: string[] = [];
        upstream.rpcs.getBalance = ({ principal }) => {
          principals.push(principal);
          return { balance: 12n };
        };
        upstream.rpcs.listLedger = ({ principal }) => {
          principals.push(principal);
          return { entries: [] };
        };
        const calls = await callsDuring(upstream, async () => {
          assert.equal((await gateway.fetch(`${path}?principal=bob%20%26%20co`)).status, 200);
        });
        assert.deepEqual(principals, ["bob & co"]);
        assert.deepEqual(
          calls.map(({ metadata }) => metadata.get("ff-principal")),
          [null],
        );
      });

      it("may name its own principal, and gets 403 for another one, without a call", async () => {
        const { gateway, upstream } = stack();
        upstream.rpcs.getBalance = () => ({ balance: 12n });
        upstream.rpcs.listLedger = () => ({ entries: [] });
        assert.equal((await gateway.fetch(`${path}?principal=alice`, { token })).status, 200);
        const calls = await callsDuring(upstream, async () => {
          for (const principal of ["bob", "Alice", "alice%20"])
            assert.equal((await gateway.fetch(`${path}?principal=${principal}`, { token })).status, 403);
        });
        assert.ok(calls.every(({ rpc }) => rpc === "AuthenticateApiKey"));
      });

      it("gets the headers of GET by HEAD", async () => {
        const { gateway, upstream } = stack();
        upstream.rpcs.getBalance = () => ({ balance: 12n });
        upstream.rpcs.listLedger = () => ({ entries: [{ delta: 1n, createdAt }] });
        const got = await gateway.fetch(path, { token });
        const head = await gateway.fetch(path, { token, method: "HEAD" });
        assert.equal(head.status, 200);
        assert.equal(head.headers.get("content-length"), got.headers.get("content-length"));
        assert.equal(await head.text(), "");
      });

      it("can use GET and HEAD only", async () => {
        const response = await stack().gateway.fetch(path, { token, method: "POST" });
        assert.deepEqual([response.status, response.headers.get("allow")], [405, "GET, HEAD"]);
      });

      it("gets 401 without a token", async () => {
        assert.equal((await stack().gateway.fetch(path, { token: null })).status, 401);
      });
    });
  }
});

describe("the ledger of the sandbox", () => {
  const sandbox = suite(() => startSandbox(sandboxSettings));
  const gateway = suite(() => startTestGateway(settingsFor(sandbox())));
  const opening = Number(sandboxSettings.openingCredits);
  const price = threeSteps.steps.length * Number(sandboxSettings.pricePerStep);

  async function read<T>(path: string, key: string): Promise<T> {
    const response = await gateway().fetch(path, { token: key });
    assert.equal(response.status, 200);
    return (await response.json()) as T;
  }
  const balanceOf = async (key: string) => (await read<Schema["Balance"]>(paths[0], key)).balance;
  const ledgerOf = async (key: string, query = "") =>
    (await read<Schema["Ledger"]>(`${paths[1]}${query}`, key)).entries;

  it("charges a run to its submitter alone", async () => {
    assert.deepEqual([await balanceOf("alice-key"), await balanceOf("bob-key")], [opening, opening]);
    const id = await finishedRun(gateway(), threeSteps, "alice-key");
    assert.deepEqual([await balanceOf("alice-key"), await balanceOf("bob-key")], [opening - price, opening]);

    const entries = (await ledgerOf("alice-key")).map(({ created_at, ...entry }) => {
      assert.ok(created_at !== undefined && Date.parse(created_at) <= Date.now());
      return entry;
    });
    const granted = { delta: opening, reason: "grant:admin", balance_after: opening };
    const debit = {
      delta: -price,
      reason: `debit:wf:${id}`,
      workflow_id: id,
      balance_after: opening - price,
    };
    assert.deepEqual(entries, [debit, granted], "newest first");
    const others = await ledgerOf("bob-key");
    assert.deepEqual(
      others.map(({ delta }) => delta),
      [opening],
    );
  });

  it("lists the requested number of newest entries", async () => {
    const all = await ledgerOf("alice-key");
    assert.deepEqual(await ledgerOf("alice-key", "?limit=1"), all.slice(0, 1));
    assert.deepEqual(await ledgerOf("alice-key", "?limit=200"), all);
  });
});
