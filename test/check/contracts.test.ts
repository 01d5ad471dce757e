import { assertFails, eachInScratch } from "./scratch-fixture.ts";

const commonProto = "proto/foldforge/common/v1/common.proto";
const openApi = "openapi/gateway.v1.yaml";

const faults = [
  {
    fault: "a field whose name buf lint refuses",
    file: commonProto,
    from: "string gpu_type = 1;",
    to: "string gpuType = 1;",
    says: 'Field name "gpuType" should be lower_snake_case',
  },
  {
    fault: "a message that says nothing of itself",
    file: commonProto,
    from: "// Why a step failed.\n",
    to: "",
    says: 'Message "ErrorDetail" should have a non-empty comment',
  },
  {
    fault: "a proto file that buf format would change",
    file: commonProto,
    from: "string gpu_type = 1;",
    to: "string  gpu_type=1;",
    says: "-  string  gpu_type=1;",
  },
  {
    fault: "an operation without a description",
    file: openApi,
    from: "      description: The caller's workflows, newest first, a page at a time.\n",
    to: "",
    says: "operation-description",
  },
  {
    fault: "an example that its schema refuses",
    file: openApi,
    from: "            maximum: 100\n            default: 20\n            examples: [20]\n",
    to: "            maximum: 100\n            default: 20\n            examples: [many]\n",
    says: "no-invalid-schema-examples",
  },
  {
    fault: "a reference to nothing",
    file: openApi,
    from: "            examples: [RUNNING]\n        - name: label\n",
    to: '            examples: [RUNNING]\n        - $ref: "#/components/parameters/Nothing"\n        - name: label\n',
    says: "no-unresolved-refs",
  },
];

describe("make check, on the contracts", () => {
  const scratch = eachInScratch();

  for (const { fault, file, from, to, says } of faults) {
    it(`fails and names the file for ${fault}`, async () => {
      scratch().edit(file, from, to);
      assertFails(await scratch().run("make", "check"), file, says);
    });
  }
});
