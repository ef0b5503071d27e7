/** Owns what a vendor's folder must say of batches: what they consume is known when they are over, hours after the attempt that made them. */
import type { AttemptResult } from "#gen/weir/metering/v1/usage_event_pb.ts";
import type { ReplySummary, VendorRequest } from "./adapter.ts";

export interface BatchAdapter {
  /** The body of the request that makes a batch, with the attempt's id where the vendor repeats it. */
  mark(body: Uint8Array, attemptId: string): Uint8Array;
  /** Asks for the batches of the whole account, newest first; behind this one, where a page came before. */
  listRequest(after: string | undefined): VendorRequest;
  /** Throws UPSTREAM_PROTOCOL when it cannot be read. */
  readList(body: Uint8Array): BatchPage;
  /** A reply that is one batch. Throws UPSTREAM_PROTOCOL when it cannot be read. */
  readBatch(body: Uint8Array): VendorBatch;
}

export interface BatchPage {
  readonly batches: readonly VendorBatch[];
  /** To ask for the next page; undefined after the last one. */
  readonly next: string | undefined;
}

export interface VendorBatch {
  /** The attempt that made it; empty where none of Weir's did. */
  readonly attemptId: string;
  readonly createTimeMs: number;
  /** Undefined until it is over. */
  readonly ending: BatchEnding | undefined;
}

export interface BatchEnding {
  readonly result: AttemptResult;
  /** Undefined where the vendor does not say. */
  readonly endTimeMs: number | undefined;
  readonly summary: ReplySummary;
}
