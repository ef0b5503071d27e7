/** Owns what a vendor's folder must say of batches: what they consume is known when they are over, hours after the attempt that made them. */
import type { AttemptResult } from "#gen/weir/metering/v1/usage_event_pb.ts";
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
  /** For vendors that do not sum up what a batch consumed. */
  readonly results?: BatchResults;
}

/** The results of a batch, from which it is summed up what it consumed, as long as they are there. */
export interface BatchResults {
  /** Asks for one batch, by the vendor's id. */
  lookRequest(id: string): VendorRequest;
  /** Asks for its results: a line of JSON for each of its calls. */
  request(id: string): VendorRequest;
  /** Of a batch of which so many calls were answered. */
  createSum(answered: number): ResultsSum;
}

export interface ResultsSum {
  /** Throws UPSTREAM_PROTOCOL when the line cannot be read. */
  add(line: string): void;
  /** Throws UPSTREAM_PROTOCOL when lines were missing. */
  end(): ReplySummary;
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
  /** How many of its calls were answered, where its results are to be read for what that consumed. */
  readonly answered?: number;
}
