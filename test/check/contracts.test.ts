import assert from "node:assert/strict";
import { assertFails, eachInScratch } from "./scratch-fixture.ts";

const commonProto = "proto/foldforge/common/v1/common.proto";
const openApi = "openapi/gateway.v1.yaml";

interface Mistake {
  readonly from: string;
  readonly to: string;
  /** What the tool prints beside the file's name. */
  readonly message: string;
}

/** Mistakes in a contract, by the tool that finds them. */
const mistakes: readonly (readonly [tool: string, file: string, mistakes: readonly Mistake[]])[] = [
  [
    "buf lint",
    commonProto,
    [
      {
        from: "string gpu_type = 1;",
        to: "string gpuType = 1;",
        message: 'Field name "gpuType" should be lower_snake_case',
      },
      {
        from: "// Why a step failed.\n",
        to: "",
        message: 'Message "ErrorDetail" should have a non-empty comment',
      },
    ],
  ],
  [
    "buf format",
    commonProto,
    [{ from: "string gpu_type = 1;", to: "string  gpu_type=1;", message: "-  string  gpu_type=1;" }],
  ],
  [
    "redocly lint",
    openApi,
    [
      {
        from: "      description: Returns the caller's workflows in pages, newest first.\n",
        to: "",
        message: "operation-description",
      },
      {
        from: "            maximum: 100\n            default: 20\n            examples: [20]\n",
        to: "            maximum: 100\n            default: 20\n            examples: [many]\n",
        message: "no-invalid-schema-examples",
      },
      {
        from: "          example: RUNNING\n        - name: label\n",
        to: '          example: RUNNING\n        - $ref: "#/components/parameters/Nothing"\n        - name: label\n',
        message: "no-unresolved-refs",
      },
    ],
  ],
];

describe("make check-contracts", () => {
  const scratch = eachInScratch();

  for (const [tool, file, inFile] of mistakes) {
    it(`fails with the file and each mistake that ${tool} finds`, async () => {
      for (const { from, to } of inFile) scratch().edit(file, from, to);
      const outcome = await scratch().run("make", "check-contracts");
      assertFails(outcome, file, ...inFile.map(({ message }) => message));
    });
  }
});

describe("make check", () => {
  const scratch = eachInScratch();

  it("names what every check of the contracts finds, before it checks anything else", async () => {
    await scratch().commitAs("main", "buf.yaml", "proto", "openapi", "CHANGELOG.md");
    const found = mistakes
      .filter(([tool]) => tool !== "buf format")
      .flatMap(([, file, inFile]) => inFile.map((mistake) => ({ file, ...mistake })));
    for (const { file, from, to } of found) scratch().edit(file, from, to);
    scratch().edit(openApi, "      operationId: getBalance\n", "      operationId: getCredits\n");
    const outcome = await scratch().run("make", "check");
    assertFails(
      outcome,
      ...found.map(({ message }) => message),
      "GET /v1/billing/balance: operationId was getBalance and is getCredits",
      "no operation is getBalance",
    );
    assert.doesNotMatch(outcome.output, /check: types/);
  });
});
