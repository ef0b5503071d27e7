/** Owns what a vendor's folder must say of batches: what they consume is known when they are over, hours after the attempt that made them. */
import type { AttemptResult } from "#gen/weir/metering/v1/usage_event_pb.ts";
import type { Usage } from "#gen/weir/types/v1/usage_pb.ts";
import type { ReplySummary, VendorRequest } from "./adapter.ts";

export interface BatchAdapter {
  /**
   * The body of the request that makes a batch, with the attempt's id where the vendor repeats it. Absent where a vendor repeats nothing of
   * a request: then only the id that it gives a batch in its reply tells whose that is.
   */
  mark?(body: Uint8Array, attemptId: string): Uint8Array;
  /** Asks for the batches of the whole account, newest first; behind this one, where a page came before. */
  listRequest(after: string | undefined): VendorRequest;
  /** Throws UPSTREAM_PROTOCOL when it cannot be read. */
  readList(body: Uint8Array): BatchPage;
  /** A reply that is one batch. Throws UPSTREAM_PROTOCOL when it cannot be read. */
  readBatch(body: Uint8Array): VendorBatch;
  /** Asks for one batch, by the vendor's id. Absent where none can be deleted. */
  lookRequest?(id: string): VendorRequest;
  /** What a line of a batch's results says of one of its calls; undefined where it was not answered. Throws UPSTREAM_PROTOCOL when it cannot be read. */
  readResult(line: string): AnsweredCall | undefined;
}

export interface AnsweredCall {
  /** Undefined where it is not said. */
  readonly usage: Usage | undefined;
  readonly servedModel: string;
}

export interface BatchPage {
  readonly batches: readonly VendorBatch[];
  /** To ask for the next page; undefined after the last one. */
  readonly next: string | undefined;
}

export interface VendorBatch {
  /** What the vendor calls it. */
  readonly id: string;
  /** The attempt that made it; empty where none of Weir's did, or the vendor has no mark of it. */
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
  /** Where the vendor does not sum up what it consumed, but has its results. */
  readonly results?: BatchResults;
}

/** A line of JSON for each call of a batch. */
export interface BatchResults {
  readonly request: VendorRequest;
  /** How many of its calls were answered. */
  readonly answered: number;
}
