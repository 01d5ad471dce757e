import assert from "node:assert/strict";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import { adminToken, suite } from "../support/gateway.ts";
import { serveBytes, startTestStore, storeSettings } from "../support/object-store.ts";
import { sendText } from "../support/raw-http.ts";
import { sha256, workflowIn } from "../support/samples.ts";
import { startStack } from "../support/stack.ts";

const bytes = Buffer.from("ATOM      1  N   GLY A   1\n");

/** Keys of outputs that a client may download. */
const allowed = [
  "artifacts/a.pdb",
  "artifacts/a b+c.pdb",
  "artifacts/%2e%2e/b.pdb",
  "a%2Fb%00.pdb",
  "caf\u00e9.pdb",
  "nfd/cafe\u0301.pdb",
  "\u{1f9ec}/\u6298\u308a.pdb",
  ".hidden/...three/a..b/end.",
  "it's (1) ~!*@$&=,;:.pdb",
  '<a>"b"|{c}^`[d].pdb',
  "what?versionId=1#part.pdb",
  " space at both ends ",
  "s3:/bucket/a.pdb",
  "k".repeat(1024),
];

/** Uris of outputs that no client may download. */
const uris = [
  "r2://other/elsewhere.pdb",
  "r2://foldforge-2/elsewhere.pdb",
  "r2://foldforge.evil/elsewhere.pdb",
  "s3://foldforge/elsewhere.pdb",
  "R2://foldforge/elsewhere.pdb",
  "https://foldforge/elsewhere.pdb",
  "r2://foldforge/../other/up.pdb",
  "r2://foldforge/artifacts/../up.pdb",
  "r2://foldforge//root.pdb",
  "r2://foldforge/back\\slash.pdb",
  "r2://foldforge/nul\u0000.pdb",
  "r2://foldforge/",
];

/** Paths after `/artifacts/`, byte for byte, that are not keys: 400. */
const malformed = words(String.raw`
  .. . ../up.pdb ../other/up.pdb artifacts/../up.pdb artifacts/.. ./artifacts/a.pdb artifacts/a.pdb/..
  %2e%2e/other/up.pdb .%2e/other/up.pdb %2E%2E%2Fother%2Fup.pdb ..%2fother/up.pdb artifacts%2f..%2fup.pdb
  artifacts/%2e/a.pdb artifacts/..%2Fup.pdb
  /root.pdb //root.pdb %2Froot.pdb artifacts//a.pdb artifacts%2F%2Fa.pdb /artifacts/a.pdb
  artifacts/a.pdb/ artifacts/a.pdb%2F artifacts/ %2F
  ..\other\up.pdb back\slash.pdb back%5cslash.pdb ..%5c..%5Cup.pdb artifacts\a.pdb
  nul%00.pdb artifacts/a.pdb%00 artifacts/a.pdb%00.txt a%0D%0Ab a%09b a%1Fb a%7Fb
  http://evil.example/x r2://other/elsewhere.pdb r2:%2F%2Ffoldforge%2Fartifacts%2Fa.pdb
  file:///etc/passwd %68ttp:%2f%2fevil.example%2fx
  artifacts/a.pdb?versionId=1 artifacts/a.pdb?response-content-type=text/html artifacts/a.pdb?key=x
  artifacts/a.pdb#part artifacts/a.pdb?#
  % %2 %zz artifacts/%c0%ae%c0%ae/x %ff %ed%a0%80 %u002e%u002e/x
`);

/** Paths after `/artifacts/` that are keys, but not of an output: 404. */
const foreign = words(`
  elsewhere.pdb other/elsewhere.pdb foldforge/artifacts/a.pdb r2:/foldforge/artifacts/a.pdb #
  http:/evil.example/x
  artifacts artifacts/a artifacts/a.pd artifacts/a.pdbx artifacts/a.pdb/x a.pdb x/artifacts/a.pdb
  artifacts/A.pdb Artifacts/a.pdb artifacts/a.PDB artifacts/a.pdb. artifacts/a.pdb%20 %20artifacts/a.pdb
  %252e%252e/other/up.pdb %252e%252e%252fother%252fup.pdb artifacts%252Fa.pdb artifacts%25252Fa.pdb
  artifacts/a+b+c.pdb artifacts/a%2520b+c.pdb artifacts/a%20b%20c.pdb a/b%2500.pdb
  cafe%CC%81.pdb nfd/caf%C3%A9.pdb cafe.pdb
  artifacts%EF%BC%8Fa.pdb artifacts%E2%88%95a.pdb %EF%BC%8E%EF%BC%8E/up.pdb %E2%80%A4%E2%80%A4/up.pdb
  %D0%B0rtifacts/a.pdb artifacts/a%E2%80%8B.pdb artifacts/a.pdb%EF%BB%BF artifacts/%E2%80%AEa.pdb
  artifacts/a.pdb;versionId=1 artifacts;v=1/a.pdb artifacts/a.pdb&x=1 what%3FversionId=1 * artifacts/* %2A
`);

function words(text: string): string[] {
  return text.trim().split(/\s+/);
}

describe("GET /v1/workflows/{id}/artifacts/{key}, keys", () => {
  const store = suite(startTestStore);
  const stack = suite(() =>
    startStack(
      {
        getWorkflow: () =>
          workflowIn(
            JobState.SUCCEEDED,
            [...allowed.map((key) => `r2://foldforge/${key}`), ...uris].map((uri) => ({
              uri,
              sizeBytes: BigInt(bytes.length),
              sha256: sha256(bytes),
            })),
          ),
      },
      storeSettings(store()),
    ),
  );
  before("a store with every object", () => {
    store().respond = serveBytes(bytes);
  });

  /** Sends a request target without normalization; also returns the requests to the store. */
  async function send(method: string, target: string) {
    const before = store().requests.length;
    const response = await sendText(
      stack().gateway.url,
      `${method} ${target} HTTP/1.1\r\nHost: gateway\r\nAuthorization: Bearer ${adminToken}\r\nConnection: close\r\n\r\n`,
    );
    const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(response)?.[1]);
    return { status, response, requests: store().requests.slice(before) };
  }

  for (const [status, keys] of [
    [400, [...malformed, "k".repeat(1025), "artifacts/a\u0000.pdb", "artifacts/a.pdb\u0001", "a.pdb\t"]],
    [404, [...foreign, ""]],
  ] as const)
    for (const key of keys)
      it(`returns ${status} for ${JSON.stringify(key.slice(0, 60))}, without a request to the store`, async () => {
        for (const method of ["GET", "HEAD"]) {
          const outcome = await send(method, `/v1/workflows/w1/artifacts/${key}`);
          assert.deepEqual([outcome.status, outcome.requests], [status, []], outcome.response);
        }
      });

  for (const key of allowed)
    it(`requests exactly ${JSON.stringify(key.slice(0, 60))} from the store when it is an output`, async () => {
      const spellings = [encodeURIComponent(key), key.split("/").map(encodeURIComponent).join("/")];
      for (const spelled of spellings) {
        const { status, requests } = await send("GET", `/v1/workflows/w1/artifacts/${spelled}`);
        assert.equal(status, 200);
        assert.deepEqual(
          requests.map((line) => decodeURIComponent(line)),
          [`GET /foldforge/${key}`],
        );
      }
    });

  for (const target of [
    "/v1/workflows/w1/../w1/artifacts/artifacts/a.pdb",
    "/v1/workflows/w1/artifacts/../artifacts/artifacts/a.pdb",
    "/v1//workflows/w1/artifacts/artifacts/a.pdb",
    "/v1/workflows/w1/artifacts%2Fartifacts/a.pdb",
    "/v1/workflows/w1/Artifacts/artifacts/a.pdb",
    "/foldforge/artifacts/a.pdb",
  ])
    it(`requests nothing from the store for ${target}`, async () => {
      const { status, requests } = await send("GET", target);
      assert.ok(status === 400 || status === 404, String(status));
      assert.deepEqual(requests, []);
    });
});
