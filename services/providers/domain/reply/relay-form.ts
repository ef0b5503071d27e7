/** Owns what a vendor's folder must say of an endpoint that takes a dialect's bytes and answers with any: a form, sound, text, or events. */
import type { Usage } from "#gen/weir/types/v1/usage_pb.ts";
import type { ReplySummary, StreamReader, VendorMethod } from "../adapter.ts";
import type { UnaryName } from "../unary-operation.ts";

export interface RelayForm {
  readonly dialect: string;
  /** POST when absent. */
  readonly method?: VendorMethod;
  /** Its path in the dialect below the version, which is also its path at the vendor; `{id}` in it stands for the request's resource. */
  readonly endpoint: string;
  /** What it does, by its name in the contract. */
  readonly operation: UnaryName | "synthesizeSpeech" | AccountOperation;
  /** True where it makes a batch; then the vendor has a BatchAdapter. */
  readonly makesBatch?: boolean;
  /** True where it deletes one, and with it the results that tell what it consumed; then the BatchAdapter can ask for one batch. */
  readonly deletesBatch?: boolean;
  /** Of a reply about batches of the whole account, what is of those with these ids; absent where the batches themselves say whose they are. */
  keepOwn?(body: Uint8Array, ownIds: ReadonlySet<string>): Uint8Array;
  /** True where a reply means nothing to the ledger, whatever its type. */
  readonly repliesInBytes?: boolean;
  /** What the ledger must know of a whole reply of this content type. Throws UPSTREAM_PROTOCOL when it cannot be read. */
  summarizeReply(body: Uint8Array, contentType: string): ReplySummary;
  /** A reader for one reply in events; it makes no types. Absent where none is asked for. */
  createStreamReader?(): StreamReader;
  /** What is put in the ledger for this request when the vendor did not say what it consumed; undefined where nobody can tell. */
  estimateUsage(request: Uint8Array, contentType: string): Usage | undefined;
}

/** What concerns no model's work but what lies in the account at the vendor; the contract has none of them. */
export type AccountOperation = "files" | "batches";
