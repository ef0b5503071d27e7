/** Owns reading a reply of bytes that mean nothing to the ledger, such as sound: they go on as they come. */
import { create } from "@bufbuild/protobuf";
import { AttemptResponseSchema, type AttemptResponse } from "#gen/weir/providers/v1/providers_service_pb.ts";
import { noOutput } from "../usage/generated-output.ts";
import type { ReplyReader } from "./reply-reader.ts";

export class ByteReply implements ReplyReader {
  #chunks: Buffer[] = [];
  complete = false;
  waitingBytes = 0;
  readonly summary = undefined;
  readonly output = noOutput;

  push(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.waitingBytes += chunk.length;
  }

  end(): void {
    this.complete = true;
  }

  take(): AttemptResponse | undefined {
    if (this.#chunks.length === 0) return undefined;
    const response = create(AttemptResponseSchema);
    response.native = this.#chunks.length === 1 ? this.#chunks[0]! : Buffer.concat(this.#chunks, this.waitingBytes);
    this.#chunks = [];
    this.waitingBytes = 0;
    return response;
  }
}
