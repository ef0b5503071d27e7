/** Owns how protobuf-es messages become bytes for grpc-js, and back. */
import { fromBinary, toBinary, type DescMessage, type DescMethod, type Message } from "@bufbuild/protobuf";

export function pathOf(method: DescMethod): string {
  return `/${method.parent.typeName}/${method.name}`;
}

export function serializerOf(schema: DescMessage): (message: Message) => Buffer {
  return (message) => {
    const bytes = toBinary(schema, message);
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  };
}

export function deserializerOf(schema: DescMessage): (bytes: Buffer) => Message {
  return (bytes) => fromBinary(schema, plainBytes(bytes));
}

/** The same memory as a Uint8Array, so that bytes in messages are what they are within a process, and no Buffers. */
export function plainBytes({ buffer, byteOffset, byteLength }: Buffer): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}
