/** Owns batches at the vendor: their making, and what is told of them until they are over. */
import { AttemptResult } from "#gen/weir/metering/v1/usage_event_pb.ts";
import { InnerSplices, spliceJson } from "#platform/formats/json.ts";
import type { ReplySummary, VendorRequest } from "../../domain/adapter.ts";
import type { BatchAdapter, BatchEnding, VendorBatch } from "../../domain/batch.ts";
import { noUsage } from "../../domain/usage/estimate-usage.ts";
import { freeSummary } from "../../domain/usage/free-operation.ts";
import type { RelayForm } from "../../domain/reply/relay-form.ts";
import { asCount, asObject, asObjects, asText, parseVendorJson, textOf, type JsonObject } from "../../domain/translation/vendor-json.ts";
import { summarizeResponse } from "./responses/reply-summary.ts";
import { readUsage } from "./chat/usage.ts";

const attemptMark = "weir_attempt";
const pageSize = 100;
/** The tier by which batches are priced. */
const serviceTier = "batch";

export const batchAdapter: BatchAdapter = {
  mark: (body, attemptId) => spliceJson(body, { metadata: new InnerSplices({ [attemptMark]: attemptId }) }),
  listRequest: (after) => get(`/batches?${new URLSearchParams({ limit: String(pageSize), ...(after === undefined ? {} : { after }) }).toString()}`),
  readList: (body) => {
    const { data, has_more: hasMore } = parseVendorJson(textOf(body));
    const batches = asObjects(data);
    const last = asText(batches.at(-1)?.["id"]);
    return { batches: batches.map(batchOf), next: hasMore === true && last !== "" ? last : undefined };
  },
  readBatch: (body) => batchOf(parseVendorJson(textOf(body))),
  /** https://developers.openai.com/api/reference/resources/batches: a line's reply is of Chat Completions, Responses or embeddings. */
  readResult: (line) => {
    const { status_code: status, body } = asObject(parseVendorJson(line)["response"]);
    if (status !== 200) return undefined;
    const reply = asObject(body);
    return { usage: readUsage(reply["usage"]) ?? summarizeResponse(reply).usage, servedModel: asText(reply["model"]) };
  },
};

const free = { dialect: "openai", operation: "files", estimateUsage: noUsage } as const;
/** What a batch has come to may be in the reply, though the reply itself is free. */
const summarizeShown = (body: Uint8Array): ReplySummary => ({ ...freeSummary(), batch: batchAdapter.readBatch(body) });

export const batchRelays: readonly RelayForm[] = [
  {
    dialect: "openai",
    operation: "batches",
    method: "POST",
    endpoint: "/batches",
    makesBatch: true,
    summarizeReply: () => ({ usage: undefined, finishReason: "", servedModel: "", serviceTier }),
    // Unknown, whatever became of the reply: the vendor may have begun.
    estimateUsage: () => undefined,
  },
  { ...free, method: "GET", endpoint: "/batches", summarizeReply: () => freeSummary() },
  { ...free, method: "GET", endpoint: "/batches/{id}", summarizeReply: summarizeShown },
  { ...free, method: "POST", endpoint: "/batches/{id}/cancel", summarizeReply: summarizeShown },
];

function get(path: string): VendorRequest {
  return { method: "GET", path, headers: {}, body: new Uint8Array(), warnings: [], withholdUsage: false };
}

/** `Batch` of the `openai` package; the time of its end stands under its status. */
function batchOf(batch: JsonObject): VendorBatch {
  const attemptId = asText(asObject(batch["metadata"])[attemptMark]);
  return { id: asText(batch["id"]), attemptId, createTimeMs: (asCount(batch["created_at"]) ?? 0) * 1_000, ending: endingOf(batch) };
}

/** What was done before a batch was cancelled, or before its time was up, is billed: https://developers.openai.com/api/docs/guides/batch */
const results: Readonly<Record<string, AttemptResult>> = {
  completed: AttemptResult.SUCCEEDED,
  expired: AttemptResult.INTERRUPTED,
  cancelled: AttemptResult.CANCELLED,
  failed: AttemptResult.FAILED,
};

function endingOf(batch: JsonObject): BatchEnding | undefined {
  const status = asText(batch["status"]);
  const result = results[status];
  if (result === undefined) return undefined;
  const endSeconds = asCount(batch[`${status}_at`]);
  const reported = summarizeResponse(batch);
  // Without a count of them, some may have been completed.
  const answered = asCount(asObject(batch["request_counts"])["completed"]);
  const usage = reported.usage ?? (answered === 0 ? freeSummary().usage : undefined);
  const fileId = asText(batch["output_file_id"]);
  return {
    result,
    endTimeMs: endSeconds === undefined ? undefined : endSeconds * 1_000,
    summary: { usage, finishReason: status, servedModel: reported.servedModel, serviceTier },
    // Azure and compatible servers tell no sum.
    ...(usage !== undefined || answered === undefined || fileId === "" ? {} : { results: { request: get(`/files/${encodeURIComponent(fileId)}/content`), answered } }),
  };
}
