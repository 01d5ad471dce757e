import { base64Decode, BinaryReader } from "@bufbuild/protobuf/wire";

/** One of a status's details: a message of the full name `type`, encoded. */
interface StatusDetail {
  type: string;
  value: Uint8Array;
}

/** A `google.rpc.Status`; its code may be any number. */
interface RichStatus {
  code: number;
  message: string;
  details: StatusDetail[];
}

/** The status in a `grpc-status-details-bin` header; undefined where there is none that can be read. */
export function richStatus(header: string | string[] | undefined): RichStatus | undefined {
  if (typeof header !== "string") return undefined;
  try {
    return readStatus(base64Decode(header));
  } catch {
    // grpc-status and grpc-message say enough.
    return undefined;
  }
}

function readStatus(bytes: Uint8Array): RichStatus {
  const status: RichStatus = { code: 0, message: "", details: [] };
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field === 1) status.code = reader.int32();
    else if (field === 2) status.message = reader.string();
    else if (field === 3) status.details.push(readAny(reader.bytes()));
    else reader.skip(wireType, field);
  }
  return status;
}

function readAny(bytes: Uint8Array): StatusDetail {
  const any: StatusDetail = { type: "", value: new Uint8Array() };
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field === 1) any.type = reader.string().replace(/^.*\//, "");
    else if (field === 2) any.value = reader.bytes();
    else reader.skip(wireType, field);
  }
  return any;
}
