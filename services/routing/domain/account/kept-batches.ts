/** Owns what is done with batches in the account at a vendor, in the vendor's own JSON: whose they are stands in their metadata there, and in the ids that their owners get. */
import type { AttemptResponse } from "#gen/weir/providers/v1/providers_service_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import { InnerSplices, spliceJson } from "#platform/formats/json.ts";
import type { AccountFiles } from "./account-files.ts";
import type { Bound } from "../budget/bound.ts";
import type { JsonObject } from "../dialect.ts";
import { answerOf, type AccountAnswer, type FilePage } from "./kept-files.ts";
import type { Plan } from "../targets/plan.ts";

export interface BatchInput {
  /** The way to the model that all lines name. */
  readonly plan: Plan;
  /** Of all lines together. */
  readonly bound: Bound;
}

/** Reads what the input file holds. Throws INVALID_REQUEST or UNSUPPORTED_FIELD with the line at fault, and what stands against the caller's calling the model. */
export type ReadBatchInput = (content: AsyncIterable<AttemptResponse>, endpoint: string, provider: string, files: AccountFiles) => Promise<BatchInput>;

export interface NewBatch {
  readonly inputFileId: string;
  /** The path that its lines are for. */
  readonly endpoint: string;
  /** As the caller has it. */
  readonly metadata: unknown;
  /** The request in the vendor's JSON, with these three in it. */
  readonly body: Uint8Array;
}

/** Members of a batch's metadata at the vendor by which Weir knows it again: whose it is, and, put there by providers, the attempt that made it. */
const organizationMark = "weir_organization";
const isMark = (name: string): boolean => name.startsWith("weir_");

/** The vendor takes 16 (`Metadata` of the `openai` package). */
const mostMetadata = 14;

/** A batch goes to the provider that keeps its input file. */
export async function makeBatch({ inputFileId, endpoint, metadata, body }: NewBatch, readInput: ReadBatchInput, files: AccountFiles): Promise<JsonObject> {
  const place = files.placeOf(inputFileId);
  const { provider, vendorId } = place;
  checkMetadata(metadata);
  const content = await files.ask(provider, "/files/{id}/content", { method: "GET" }, place);
  const { plan, bound } = await readInput(content.messages, endpoint, provider, files);
  const marked = spliceJson(body, { input_file_id: vendorId, metadata: new InnerSplices({ [organizationMark]: files.ids.mark }) });
  return shown(await answerOf(await files.makeBatch(plan, "/batches", { body: marked, contentType: "application/json" }, bound, place)), provider, files);
}

export function lookAtBatch(id: string, files: AccountFiles): Promise<JsonObject> {
  return askAbout(id, "GET", "/batches/{id}", files);
}

export function cancelBatch(id: string, files: AccountFiles): Promise<JsonObject> {
  return askAbout(id, "POST", "/batches/{id}/cancel", files);
}

/** What the vendor takes at once, and how often it is asked: the account has the batches of all organizations. */
export const largestBatchPage = 100;
export const usualBatchPage = 20;
const maximumPages = 20;

export interface BatchQuery {
  /** At most `largestBatchPage`. */
  readonly limit: number;
  /** The id of the last batch of the page before. */
  readonly after: string | undefined;
}

/** The vendor's pages without the batches of others, until a page of the caller's own is full. */
export async function listBatches(provider: string, { limit, after: afterId }: BatchQuery, files: AccountFiles): Promise<FilePage> {
  const data: JsonObject[] = [];
  let after = afterId === undefined ? undefined : files.placeOf(afterId, "batch").vendorId;
  for (let page = 0; page < maximumPages; page++) {
    const query = new URLSearchParams({ limit: String(largestBatchPage), ...(after === undefined ? {} : { after }) }).toString();
    const { json: found, ownAccount } = await answerOf(await files.ask(provider, "/batches", { method: "GET", query }));
    const all = Array.isArray(found["data"]) ? (found["data"] as JsonObject[]) : [];
    for (const batch of all.filter((one) => (one["metadata"] as JsonObject | null | undefined)?.[organizationMark] === files.ids.mark)) {
      if (data.length === limit) return { data, hasMore: true };
      data.push(shown({ json: batch, ownAccount }, provider, files));
    }
    if (found["has_more"] !== true || all.length === 0) return { data, hasMore: false };
    after = String(all.at(-1)!["id"]);
  }
  // The next page goes on behind them, and is looked for as far again.
  if (data.length > 0) return { data, hasMore: true };
  throw new GatewayError("UNSUPPORTED_OPERATION", `The newest ${largestBatchPage * maximumPages} batches in the account at ${provider} were looked through, and there are more. Keep the ids of your batches.`);
}

function checkMetadata(metadata: unknown): void {
  if (metadata === undefined) return;
  if (typeof metadata !== "object" || metadata === null || Array.isArray(metadata)) throw invalidMetadata("must be an object");
  const names = Object.keys(metadata);
  if (names.length > mostMetadata) throw invalidMetadata(`must have at most ${mostMetadata} members, as Weir adds its own`);
  if (names.some(isMark)) throw invalidMetadata("must have no member that begins with weir_");
}

function invalidMetadata(description: string): GatewayError {
  return new GatewayError("INVALID_REQUEST", `metadata ${description}.`, { fieldViolations: [{ field: "metadata", description }] });
}

async function askAbout(id: string, method: "GET" | "POST", endpoint: string, files: AccountFiles): Promise<JsonObject> {
  const place = files.placeOf(id, "batch");
  try {
    return shown(await answerOf(await files.ask(place.provider, endpoint, { method }, place)), place.provider, files);
  } catch (error) {
    throw error instanceof GatewayError && error.metadata["status"] === "404" ? files.notFound(id, "batch") : error;
  }
}

/** The vendor's batch as its owner sees it. */
function shown({ json: batch, ownAccount }: AccountAnswer, provider: string, { ids }: AccountFiles): JsonObject {
  const { id, metadata } = batch;
  if (typeof id !== "string") throw new GatewayError("UPSTREAM_PROTOCOL", `${provider} answered without the id of a batch.`);
  const files = ["input_file_id", "output_file_id", "error_file_id"].flatMap((name) => {
    const vendorId = batch[name];
    return typeof vendorId === "string" ? [[name, ids.write({ provider, vendorId, ownAccount })]] : [];
  });
  const own = Object.entries((metadata as JsonObject | null | undefined) ?? {}).filter(([name]) => !isMark(name));
  return { ...batch, ...Object.fromEntries(files), metadata: own.length === 0 ? null : Object.fromEntries(own), id: ids.write({ provider, vendorId: id, ownAccount }, "batch") };
}
