import assert from "node:assert/strict";
import { metricViolations } from "../../src/validation/metric-violations.ts";

const request = {
  metric: "pLDDT",
  filters: [{ metric: "ptm", min: 0.5 }, { metric: "pLDDT" }, { metric: "other" }],
};
const before = "must be one of the metrics of this workflow";

describe("metricViolations", () => {
  it("reports each use of a missing metric, with the nearest one", () => {
    const missing = new Set(["pLDDT", "other"]);
    assert.deepEqual(metricViolations(request, missing, ["plddt", "ptm"]), [
      { path: "/body/metric", message: `${before}: plddt, ptm; did you mean plddt?` },
      { path: "/body/filters/1/metric", message: `${before}: plddt, ptm; did you mean plddt?` },
      { path: "/body/filters/2/metric", message: `${before}: plddt, ptm` },
    ]);
  });

  it("says that there are none", () => {
    assert.deepEqual(metricViolations({ metric: "m" }, new Set(["m"]), []), [
      { path: "/body/metric", message: `${before}: none` },
    ]);
  });

  it("reports nothing if none is missing", () => {
    assert.deepEqual(metricViolations(request, new Set(), ["plddt"]), []);
  });
});
