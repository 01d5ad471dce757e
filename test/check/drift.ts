/**
 * Fails with the names of operation, schema and field if the OpenAPI document differs from the protobuf contract, or from
 * the facts that programs rely on.
 */
import { readFileSync } from "node:fs";
import { parse } from "yaml";
import { contractDrift } from "./contract-drift.ts";
import { factDrift } from "./contract-facts.ts";
import { loadProtobufContract } from "./protobuf-contract.ts";

const document = parse(readFileSync("openapi/gateway.v1.yaml", "utf8"));
const drift = [...factDrift(document), ...contractDrift(document, await loadProtobufContract())];
for (const line of drift) console.error(`openapi/gateway.v1.yaml: ${line}`);
process.exitCode = drift.length > 0 ? 1 : 0;
