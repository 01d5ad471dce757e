import type { DescMethod, DescService } from "@bufbuild/protobuf";
import type { Call } from "./call.ts";
import { headersFrom } from "./headers.ts";

/** The answer to a call. Its headers are made only when they are read, which is rare. */
export class GrpcResponse<IsStream extends boolean, Method extends DescMethod, Message> {
  readonly stream: IsStream;
  readonly method: Method;
  /** The message, or the messages where the call streams. */
  readonly message: Message;
  readonly #call: Call;

  constructor(stream: IsStream, method: Method, message: Message, call: Call) {
    this.stream = stream;
    this.method = method;
    this.message = message;
    this.#call = call;
  }

  get service(): DescService {
    return this.method.parent;
  }

  get header(): Headers {
    return headersFrom(this.#call.header);
  }

  /** Empty before the last message has come. */
  get trailer(): Headers {
    return headersFrom(this.#call.trailer);
  }
}
