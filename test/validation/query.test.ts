import assert from "node:assert/strict";
import { loadContract } from "../../src/contract.ts";
import { parseQuery } from "../../src/validation/query.ts";

const operations = loadContract().paths.flatMap((path) => path.operations);
const list = operations.find(({ id }) => id === "listWorkflows")!;
const get = operations.find(({ id }) => id === "getWorkflow")!;

function violationsOf(query: string, operation = list): string[] {
  return parseQuery(operation, `/v1/workflows${query}`).violations.map(
    ({ path, message }) => `${path} ${message}`,
  );
}

describe("parseQuery", () => {
  for (const query of [
    "",
    "?",
    "?page_size=20",
    "?page_size=0",
    "?page_size=-1",
    "?page_size=101",
    "?page_size=%31",
    "?label=a=b&label=c=d",
    "?label=a%3Db%3Dc",
    "?state=RUNNING&page_token=x%26y",
    "?page_token=",
    "?page_token",
    "?state=+x+",
  ])
    it(`accepts ${query || "no query"}`, () => assert.deepEqual(violationsOf(query), []));

  const unknown =
    "is not a parameter of this operation; known parameters: page_size, page_token, state, label, view";
  for (const [query, ...violations] of [
    ["?x=1", `/query/x ${unknown}`],
    ["?Page_Size=1", "/query/Page_Size is not a parameter of this operation; did you mean page_size?"],
    ["?pageSize=1", "/query/pageSize is not a parameter of this operation; did you mean page_size?"],
    ["?labels=a=b", "/query/labels is not a parameter of this operation; did you mean label?"],
    ["?=1", `/query/ ${unknown}`],
    ["?a%2Fb~c=1", `/query/a~1b~0c ${unknown}`],
    ["?__proto__=1", `/query/__proto__ ${unknown}`],
    ["?label[]=a=b", `/query/label[] ${unknown}`],
    ["?lastEventId=1", `/query/lastEventId ${unknown}`],
    ["?page_size=1&page_size=1", "/query/page_size must be given once"],
    ["?state=RUNNING&state=FAILED", "/query/state must be given once"],
    ["?page_size=", "/query/page_size must not be empty"],
    ["?state", "/query/state must not be empty"],
    ["?page_token=&page_token=", "/query/page_token must be given once"],
    ["?label=a=b&label=", "/query/label must not be empty"],
    ["?x=1&page_size=", `/query/x ${unknown}`, "/query/page_size must not be empty"],
    ["?state=%ff", "/query must be percent-encoded UTF-8"],
    ["?state=%", "/query must be percent-encoded UTF-8"],
  ] as const)
    it(`rejects ${query}`, () => assert.deepEqual(violationsOf(query), violations));

  for (const value of [
    "1e2",
    "0x10",
    "%205",
    "5%20",
    "05",
    "%2B5",
    "5.0",
    "-0x1",
    "--1",
    "1_0",
    "NaN",
    "-",
    "٣",
  ])
    it(`rejects the integer ${value}`, () => {
      assert.deepEqual(
        violationsOf(`?page_size=${encodeURI(decodeURIComponent(value)).replace("+", "%2B")}`),
        ["/query/page_size must be an integer in decimal digits"],
      );
    });

  it("accepts only the parameters of the operation", () => {
    assert.deepEqual(violationsOf("?page_size=1", get), [
      "/query/page_size is not a parameter of this operation; known parameters: view",
    ]);
    assert.deepEqual(violationsOf("?id=1", get), [
      "/query/id is not a parameter of this operation; known parameters: view",
    ]);
    assert.deepEqual(violationsOf("", get), []);
  });
});
