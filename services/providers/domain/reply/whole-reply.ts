/** Owns reading a reply in one piece. */
import { GatewayError } from "#platform/errors.ts";
import type { AttemptResponse } from "#gen/weir/providers/v1/providers_service_pb.ts";
import type { ReplySummary } from "../adapter.ts";
import { ReceivedBody } from "../usage/generated-output.ts";
import type { ReplyReader } from "./reply-reader.ts";

const maximumReplyBytes = 64 * 1024 * 1024;

/** Makes the answer and the ledger's summary of a whole body. Throws UPSTREAM_PROTOCOL when it cannot be read. */
export type ReadBody = (body: Buffer) => { readonly response: AttemptResponse; readonly summary: ReplySummary };

export class WholeReply implements ReplyReader {
  readonly #readBody: ReadBody;
  #response: AttemptResponse | undefined;
  complete = false;
  summary: ReplySummary | undefined;
  readonly output = new ReceivedBody();
  /** Nothing waits before the end, and then the vendor has nothing more to say. */
  readonly waitingBytes = 0;

  constructor(readBody: ReadBody) {
    this.#readBody = readBody;
  }

  push(chunk: Buffer): void {
    this.output.add(chunk);
    if (this.output.bytes > maximumReplyBytes) {
      throw new GatewayError("UPSTREAM_PROTOCOL", `The vendor's reply is larger than ${maximumReplyBytes} bytes.`);
    }
  }

  end(): void {
    const { response, summary } = this.#readBody(this.output.kept);
    this.#response = response;
    this.summary = summary;
    this.complete = true;
  }

  take(): AttemptResponse | undefined {
    const response = this.#response;
    this.#response = undefined;
    return response;
  }
}
