import { assertFails, eachInScratch } from "./scratch-fixture.ts";

const commonProto = "proto/foldforge/common/v1/common.proto";
const openApi = "openapi/gateway.v1.yaml";

const mistakes = [
  {
    mistake: "a field name that buf lint rejects",
    file: commonProto,
    from: "string gpu_type = 1;",
    to: "string gpuType = 1;",
    message: 'Field name "gpuType" should be lower_snake_case',
  },
  {
    mistake: "a message without a comment",
    file: commonProto,
    from: "// Why a step failed.\n",
    to: "",
    message: 'Message "ErrorDetail" should have a non-empty comment',
  },
  {
    mistake: "a proto file that buf format would change",
    file: commonProto,
    from: "string gpu_type = 1;",
    to: "string  gpu_type=1;",
    message: "-  string  gpu_type=1;",
  },
  {
    mistake: "an operation without a description",
    file: openApi,
    from: "      description: Returns the caller's workflows in pages, newest first.\n",
    to: "",
    message: "operation-description",
  },
  {
    mistake: "an example that its schema rejects",
    file: openApi,
    from: "            maximum: 100\n            default: 20\n            examples: [20]\n",
    to: "            maximum: 100\n            default: 20\n            examples: [many]\n",
    message: "no-invalid-schema-examples",
  },
  {
    mistake: "an unresolved reference",
    file: openApi,
    from: "            examples: [RUNNING]\n        - name: label\n",
    to: '            examples: [RUNNING]\n        - $ref: "#/components/parameters/Nothing"\n        - name: label\n',
    message: "no-unresolved-refs",
  },
];

describe("make check, for the contracts", () => {
  const scratch = eachInScratch();

  for (const { mistake, file, from, to, message } of mistakes) {
    it(`fails and reports the file for ${mistake}`, async () => {
      scratch().edit(file, from, to);
      assertFails(await scratch().run("make", "check"), file, message);
    });
  }
});
