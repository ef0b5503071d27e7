/** Owns what every way of reading a reply's body has in common, so that an attempt need not know which it is. */
import type { AttemptResponse } from "#gen/weir/providers/v1/providers_service_pb.ts";
import type { ReplySummary } from "../adapter.ts";
import type { Output } from "../usage/generated-output.ts";

/** Reads the body of one reply as it arrives, and keeps what the caller has not fetched yet. */
export interface ReplyReader {
  /** Takes the next bytes. Throws when they are an error, or cannot be read. */
  push(chunk: Buffer): void;
  /** Takes the end of the body. Throws when the reply was not complete, or is an error. */
  end(): void;
  /** Says what is left to say of a complete reply, of which no more bytes are waited for; absent where that is nothing. */
  close?(): void;
  /** True once the vendor has said all. */
  readonly complete: boolean;
  /** True once nothing more can come that is the caller's; absent where only the end of the body tells. */
  readonly terminated?: boolean;
  /** What has come for the caller since the last time; undefined when there is nothing yet. */
  take(): AttemptResponse | undefined;
  /** How many of the vendor's bytes wait to be taken. */
  readonly waitingBytes: number;
  /** What the ledger must know, as far as it is known. */
  readonly summary: ReplySummary | undefined;
  /** What was generated, for estimates. */
  readonly output: Output;
}
