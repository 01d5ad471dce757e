import { readFileSync } from "node:fs";
import { createFileRegistry, fromBinary } from "@bufbuild/protobuf";
import type { DescMessage, DescService, FileRegistry, Message } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import type { Any } from "@bufbuild/protobuf/wkt";

/** The package of the suite's messages. */
const suitePackage = "connectrpc.conformance.v1";

/** A header, or a trailer, with its values. */
export interface SuiteHeader {
  name: string;
  value: string[];
}

/** What is read of a `ClientCompatRequest`: one call to make. */
export interface CallToMake extends Message {
  testName: string;
  host: string;
  port: number;
  messageReceiveLimit: number;
  service?: string;
  method?: string;
  requestHeaders: SuiteHeader[];
  requestMessages: Any[];
  timeoutMs?: number;
  requestDelayMs: number;
  cancel?: {
    cancelTiming: { case?: "beforeCloseSend" | "afterCloseSendMs" | "afterNumResponses"; value?: unknown };
  };
}

/** What is written of a `ClientResponseResult`: the result of the call. */
export interface CallResult {
  responseHeaders: SuiteHeader[];
  responseTrailers: SuiteHeader[];
  payloads: unknown[];
  error?: { code: number; message: string; details: { typeUrl: string; value: Uint8Array }[] };
}

/** The suite's messages and services, from a descriptor image. */
export interface SuiteMessages {
  readonly registry: FileRegistry;
  message(name: string): DescMessage;
  service(fullName: string): DescService;
}

/** Loads the image that `buf build` made of the suite's .proto files. */
export function loadSuiteMessages(imageFile: string): SuiteMessages {
  const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, readFileSync(imageFile)));
  return {
    registry,
    message: (name) => found(registry.getMessage(`${suitePackage}.${name}`), name),
    service: (fullName) => found(registry.getService(fullName), fullName),
  };
}

/** The service of the calls that do not name one. */
export const suiteService = `${suitePackage}.ConformanceService`;

function found<T>(what: T | undefined, name: string): T {
  if (what === undefined) throw new Error(`the suite has no ${name}`);
  return what;
}
