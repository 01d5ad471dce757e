import assert from "node:assert/strict";
import { create } from "@bufbuild/protobuf";
import {
  GetBalanceResponseSchema,
  LedgerEntrySchema,
  ListLedgerResponseSchema,
} from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import { balanceToJson, ledgerToJson } from "../../src/mapping/billing.ts";

const largest = 2n ** 63n - 1n;
const smallest = -(2n ** 63n);

describe("balanceToJson", () => {
  for (const balance of [0n, 1n, -1n, 2n ** 53n - 1n, 2n ** 53n + 1n, -(2n ** 53n) - 1n, largest, smallest])
    it(`writes a balance of ${balance} without rounding`, () => {
      const json = balanceToJson(create(GetBalanceResponseSchema, { balance }));
      assert.equal(JSON.stringify(json), `{"balance":${balance}}`);
    });
});

describe("ledgerToJson", () => {
  it("maps every field of every entry, in order", () => {
    const ledger = create(ListLedgerResponseSchema, {
      entries: [
        { delta: smallest, reason: "step «a»", balanceAfter: largest, createdAt: { seconds: 2n, nanos: 5 } },
        { delta: 7n, reason: "", balanceAfter: -3n, createdAt: { seconds: 1n } },
      ],
    });
    assert.equal(
      JSON.stringify(ledgerToJson(ledger)),
      '{"entries":[' +
        '{"delta":-9223372036854775808,"reason":"step «a»","balance_after":9223372036854775807,' +
        '"created_at":"1970-01-01T00:00:02.000000005Z"},' +
        '{"delta":7,"reason":"","balance_after":-3,"created_at":"1970-01-01T00:00:01.000Z"}]}',
    );
  });

  for (const [reason, workflowId] of [
    ["debit:wf:9b2f6c1e-6d0c", "9b2f6c1e-6d0c"],
    ["refund:wf:w_1.~:-", "w_1.~:-"],
    ["topup:stripe:cs_1", undefined],
    ["grant:admin", undefined],
    ["a debit:wf:w1", undefined],
    ["debit:wf:", undefined],
    ["debit:wf:.w1", undefined],
    ["debit:wf:w1/2", undefined],
    ["debit:wf:w1\n", undefined],
    [`debit:wf:${"w".repeat(129)}`, undefined],
  ] as const)
    it(`returns ${workflowId} as the workflow of ${JSON.stringify(reason).slice(0, 40)}`, () => {
      const { entries } = ledgerToJson(create(ListLedgerResponseSchema, { entries: [{ reason }] }));
      assert.equal(entries[0]?.workflow_id, workflowId);
      assert.equal("workflow_id" in entries[0]!, workflowId !== undefined);
    });

  it("returns the defaults of proto3 for absent fields", () => {
    assert.deepEqual(ledgerToJson(create(ListLedgerResponseSchema, { entries: [{}] })), {
      entries: [{ delta: 0, reason: "", balance_after: 0, created_at: "1970-01-01T00:00:00.000Z" }],
    });
  });

  it("maps every field of the message", () => {
    const { entries } = ledgerToJson(create(ListLedgerResponseSchema, { entries: [{}] }));
    assert.deepEqual(
      Object.keys(entries[0]!),
      LedgerEntrySchema.fields.map(({ name }) => name),
    );
  });
});
