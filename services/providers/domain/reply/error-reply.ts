/** Owns reading a reply that is an error. */
import type { GatewayError } from "#platform/errors.ts";
import { noOutput } from "../usage/generated-output.ts";
import type { ReplyReader } from "./reply-reader.ts";

const maximumErrorBytes = 1024 * 1024;

/** Collects the body of an error, cut off at its bound, and throws what it means. */
export class ErrorReply implements ReplyReader {
  readonly #readError: (body: Buffer) => GatewayError;
  readonly #chunks: Buffer[] = [];
  #bytes = 0;
  readonly complete = false;
  readonly summary = undefined;
  readonly output = noOutput;
  readonly waitingBytes = 0;

  constructor(readError: (body: Buffer) => GatewayError) {
    this.#readError = readError;
  }

  push(chunk: Buffer): void {
    this.#bytes += chunk.length;
    if (this.#bytes > maximumErrorBytes) throw this.#readError(Buffer.concat(this.#chunks));
    this.#chunks.push(chunk);
  }

  end(): void {
    throw this.#readError(Buffer.concat(this.#chunks));
  }

  take(): undefined {
    return undefined;
  }
}
