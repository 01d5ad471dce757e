import assert from "node:assert/strict";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import { listRequestFromQuery } from "../../src/mapping/list-request.ts";

describe("listRequestFromQuery", () => {
  it("returns the first page of 20 without parameters", () => {
    assert.deepEqual(listRequestFromQuery({}), { pageSize: 20, pageToken: "", labelSelector: {} });
  });

  it("passes on all parameters", () => {
    const query = { page_size: 7, page_token: "t", state: "FAILED", label: ["a=1", "b=2=3"] } as const;
    assert.deepEqual(listRequestFromQuery({ ...query, label: [...query.label] }), {
      pageSize: 7,
      pageToken: "t",
      stateFilter: JobState.FAILED,
      labelSelector: { a: "1", b: "2=3" },
    });
  });

  for (const [label, key, value] of [
    ["team=alpha", "team", "alpha"],
    ["a=b=c", "a", "b=c"],
    ["a=", "a", ""],
    ["a==", "a", "="],
    ["né=🧬", "né", "🧬"],
    ["__proto__=x", "__proto__", "x"],
  ] as const)
    it(`splits the label ${label} at its first =`, () => {
      const { labelSelector } = listRequestFromQuery({ label: [label] });
      assert.deepEqual(Object.entries(labelSelector), [[key, value]]);
    });
});
