/** Owns Message Batches at the vendor: https://platform.claude.com/docs/en/build-with-claude/batch-processing, and `MessageBatch` of @anthropic-ai/sdk. */
import { AttemptResult } from "#gen/weir/metering/v1/usage_event_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import type { ReplySummary, VendorRequest } from "../../domain/adapter.ts";
import type { BatchAdapter, BatchEnding, VendorBatch } from "../../domain/batch.ts";
import { noUsage } from "../../domain/usage/estimate-usage.ts";
import { freeSummary } from "../../domain/usage/free-operation.ts";
import type { RelayForm } from "../../domain/reply/relay-form.ts";
import { asCount, asObject, asObjects, asText, parseVendorJson, textOf, type JsonObject } from "../../domain/translation/vendor-json.ts";
import { readUsage, type UsageJson } from "./usage.ts";
import { nativeDialect } from "./write-content.ts";

const path = "/messages/batches";
/** As many as Anthropic lists at once: https://platform.claude.com/docs/en/api/listing-message-batches */
const pageSize = 1_000;
/** The tier by which batches are priced. */
const serviceTier = "batch";

export const batchAdapter: BatchAdapter = {
  listRequest: (after) => get(`${path}?${new URLSearchParams({ limit: String(pageSize), ...(after === undefined ? {} : { after_id: after }) }).toString()}`),
  readList: (body) => {
    const { data, has_more: hasMore, last_id: lastId } = parseVendorJson(textOf(body));
    const last = asText(lastId);
    return { batches: asObjects(data).map(batchOf), next: hasMore === true && last !== "" ? last : undefined };
  },
  readBatch: (body) => batchOf(parseVendorJson(textOf(body))),
  lookRequest: (id) => get(`${path}/${encodeURIComponent(id)}`),
  /** `MessageBatchIndividualResponse` of @anthropic-ai/sdk. */
  readResult: (line) => {
    const result = asObject(parseVendorJson(line)["result"]);
    if (asText(result["type"]) !== "succeeded") return undefined;
    const { model, usage } = asObject(result["message"]);
    return { usage: readUsage(usage as UsageJson | null | undefined), servedModel: asText(model) };
  },
};

const free = { dialect: nativeDialect, operation: "files", estimateUsage: noUsage } as const;
/** What a batch has come to may be in the reply, though the reply itself is free. */
const summarizeShown = (body: Uint8Array): ReplySummary => ({ ...freeSummary(), batch: batchAdapter.readBatch(body) });

export const batchRelays: readonly RelayForm[] = [
  {
    dialect: nativeDialect,
    operation: "batches",
    method: "POST",
    endpoint: path,
    makesBatch: true,
    summarizeReply: (body) => ({ usage: undefined, finishReason: "", servedModel: "", serviceTier, batch: batchAdapter.readBatch(body) }),
    // Unknown, whatever became of the reply: the vendor may have begun.
    estimateUsage: () => undefined,
  },
  { ...free, method: "GET", endpoint: path, summarizeReply: () => freeSummary(), keepOwn },
  { ...free, method: "GET", endpoint: `${path}/{id}`, summarizeReply: summarizeShown },
  { ...free, method: "GET", endpoint: `${path}/{id}/results`, repliesInBytes: true, summarizeReply: () => freeSummary() },
  { ...free, method: "POST", endpoint: `${path}/{id}/cancel`, summarizeReply: summarizeShown },
  { ...free, method: "DELETE", endpoint: `${path}/{id}`, deletesBatch: true, summarizeReply: () => freeSummary() },
];

function get(at: string): VendorRequest {
  return { method: "GET", path: at, headers: {}, body: new Uint8Array(), warnings: [], withholdUsage: false };
}

/** Where the page ends stays said, as the next one is asked for by it. */
function keepOwn(body: Uint8Array, ownIds: ReadonlySet<string>): Uint8Array {
  const page = parseVendorJson(textOf(body));
  return Buffer.from(JSON.stringify({ ...page, data: asObjects(page["data"]).filter(({ id }) => ownIds.has(asText(id))) }));
}

function batchOf(batch: JsonObject): VendorBatch {
  const id = asText(batch["id"]);
  if (id === "") throw new GatewayError("UPSTREAM_PROTOCOL", "Anthropic told of a batch without its id.");
  return { id, attemptId: "", createTimeMs: timeOf(batch["created_at"]) ?? 0, ending: endingOf(batch) };
}

/** Calls that failed, were cancelled or ran out of time are not billed. */
function endingOf(batch: JsonObject): BatchEnding | undefined {
  const status = asText(batch["processing_status"]);
  if (status !== "ended") return undefined;
  const { succeeded, expired } = asObject(batch["request_counts"]);
  const answered = asCount(succeeded);
  const isArchived = asText(batch["archived_at"]) !== "";
  const wasCancelled = asText(batch["cancel_initiated_at"]) !== "";
  const ranOut = (asCount(expired) ?? 0) > 0;
  return {
    result: wasCancelled ? AttemptResult.CANCELLED : ranOut ? AttemptResult.INTERRUPTED : answered === 0 ? AttemptResult.FAILED : AttemptResult.SUCCEEDED,
    endTimeMs: timeOf(batch["ended_at"]),
    summary: { usage: answered === 0 ? freeSummary().usage : undefined, finishReason: status, servedModel: "", serviceTier },
    ...(answered === undefined || answered === 0 || isArchived ? {} : { results: { request: get(`${path}/${encodeURIComponent(asText(batch["id"]))}/results`), answered } }),
  };
}

/** In RFC 3339. */
function timeOf(text: unknown): number | undefined {
  const time = Date.parse(asText(text));
  return Number.isNaN(time) ? undefined : time;
}
