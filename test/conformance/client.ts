import { setTimeout as delay } from "node:timers/promises";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import type { DescMethod, DescMethodServerStreaming, DescMethodUnary, Message } from "@bufbuild/protobuf";
import { anyUnpack } from "@bufbuild/protobuf/wkt";
import { ConnectError } from "@connectrpc/connect";
import { headersFrom } from "../../src/grpc/metadata.ts";
import { sessionPool } from "../grpc/transports.ts";
import { createGrpcTransport, createServerStreamFunction } from "../../src/grpc/transport.ts";
import type { GrpcTransportOptions } from "../../src/grpc/transport.ts";
import { loadSuiteMessages, suiteService } from "./suite-messages.ts";
import type { CallResult, CallToMake, SuiteHeader } from "./suite-messages.ts";

/**
 * The program under test of `connectconformance --mode client`: makes the calls that it reads from standard
 * input over the gateway's gRPC transport, and writes their results to standard output. Its argument is the
 * descriptor image of the suite. Messages are preceded by their length in four bytes, big-endian.
 */
const suite = loadSuiteMessages(process.argv[2] ?? "");

/** The limit of a case without one. */
const defaultLimit = 4 * 1024 * 1024;

const calls: Promise<void>[] = [];
let input = Buffer.alloc(0);
for await (const chunk of process.stdin) {
  input = Buffer.concat([input, chunk as Buffer]);
  while (input.length >= 4 && input.length >= 4 + input.readUInt32BE(0)) {
    const end = 4 + input.readUInt32BE(0);
    // The suite's message of this name has these fields.
    calls.push(
      respond(fromBinary(suite.message("ClientCompatRequest"), input.subarray(4, end)) as CallToMake),
    );
    input = input.subarray(end);
  }
}
await Promise.all(calls);

async function respond(request: CallToMake): Promise<void> {
  const { testName } = request;
  const result = await makeCall(request).then(
    (response) => ({ case: "response", value: response }),
    (error: unknown) => ({ case: "error", value: { message: String(error) } }),
  );
  const schema = suite.message("ClientCompatResponse");
  const bytes = toBinary(schema, create(schema, { testName, result }));
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  process.stdout.write(Buffer.concat([length, bytes]));
}

/** Makes one call on a connection of its own; rejects if the case cannot be run. */
async function makeCall(request: CallToMake): Promise<CallResult> {
  const opener = sessionPool(`http://${request.host}:${request.port}`);
  const readMaxBytes = request.messageReceiveLimit || defaultLimit;
  const options = { opener, pathPrefix: "", readMaxBytes };
  const method = suite
    .service(request.service ?? suiteService)
    .methods.find(({ name }) => name === request.method);
  if (method === undefined) throw new Error(`the suite has no method ${String(request.method)}`);
  const result: CallResult = { responseHeaders: [], responseTrailers: [], payloads: [] };
  try {
    await delay(request.requestDelayMs);
    await exchange(options, method, request, result);
  } catch (thrown) {
    const error = ConnectError.from(thrown);
    result.error = {
      code: error.code,
      message: error.rawMessage,
      details: error.details.map((detail) => {
        if (!("type" in detail)) throw new Error("a detail was not received", { cause: thrown });
        return { typeUrl: `type.googleapis.com/${detail.type}`, value: detail.value };
      }),
    };
    // Connect merges the headers and trailers of a failed call.
    if (result.responseHeaders.length === 0) result.responseHeaders = headersOf(error.metadata);
    result.responseTrailers = headersOf(error.metadata);
  } finally {
    opener.close();
  }
  return result;
}

/** Makes the call, and adds what is received to `result` until the call ends. */
async function exchange(
  options: GrpcTransportOptions,
  method: DescMethod,
  request: CallToMake,
  result: CallResult,
): Promise<void> {
  const { timeoutMs, cancel } = request;
  const controller = new AbortController();
  const { signal } = controller;
  const headers = request.requestHeaders.flatMap(({ name, value }) =>
    value.map((one): [string, string] => [name, one]),
  );
  const messages = request.requestMessages.map((any) => anyUnpack(any, suite.registry));
  const message = messages[0];
  if (message === undefined || messages.length > 1) throw new Error("one request message is expected");
  const { case: timing, value } = cancel?.cancelTiming ?? {};
  if (timing === "afterCloseSendMs") setTimeout(() => controller.abort(), Number(value));
  const addPayload = (response: Message) => {
    // Every response of the suite has a payload, omitted when empty.
    result.payloads.push((response as { payload?: unknown }).payload ?? {});
  };

  // Type narrowing does not follow a method's kind.
  if (method.methodKind === "unary") {
    const { unary } = createGrpcTransport(options);
    const response = await unary(method as DescMethodUnary, signal, timeoutMs, headers, message);
    addPayload(response.message);
    result.responseHeaders = headersOf(response.header);
    result.responseTrailers = headersOf(response.trailer);
  } else {
    const stream = createServerStreamFunction(options, method as DescMethodServerStreaming);
    const limits = { signal, ...(timeoutMs === undefined ? {} : { timeoutMs }) };
    const responses = stream(message, { ...limits, headers })[Symbol.asyncIterator]();
    if (timing === "afterNumResponses" && value === 0) controller.abort();
    try {
      for await (const one of responses) {
        addPayload(one);
        if (timing === "afterNumResponses" && result.payloads.length === value) controller.abort();
      }
    } finally {
      result.responseHeaders = headersOf(headersFrom(responses.call.header));
      result.responseTrailers = headersOf(headersFrom(responses.call.trailer));
    }
  }
}

function headersOf(headers: Headers): SuiteHeader[] {
  return [...headers].map(([name, value]) => ({ name, value: [value] }));
}
