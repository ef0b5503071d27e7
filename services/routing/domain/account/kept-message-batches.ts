/**
 * Owns what is done with Anthropic's batches of messages in the account at a vendor, in the vendor's own JSON. Whose one is stands in the id that
 * its owner gets, and for lists at providers, as the vendor keeps nothing of ours beside it.
 */
import { GatewayError } from "#platform/errors.ts";
import { InnerSplices, spliceElements } from "#platform/formats/json.ts";
import type { AccountFiles } from "./account-files.ts";
import type { Bound } from "../budget/bound.ts";
import type { JsonObject } from "../dialect.ts";
import { answerOf, type AccountAnswer, type FilePage } from "./kept-files.ts";
import type { Plan } from "../targets/plan.ts";
import type { Reply } from "../call.ts";

const endpoint = "/messages/batches";

export interface NewMessageBatch {
  /** The request in the vendor's JSON, as the caller has it. */
  readonly body: Uint8Array;
  /** The way to the model that all its requests name. */
  readonly plan: Plan;
  /** Of all its requests together. */
  readonly bound: Bound;
}

/** Its requests go on as they are, but for the name of the model. */
export async function makeMessageBatch({ body, plan, bound }: NewMessageBatch, files: AccountFiles): Promise<JsonObject> {
  const { provider, model } = plan.targets[0]!;
  const sent = await withModel(body, model, files);
  return shown(await answerOf(await files.makeBatch(plan, endpoint, { body: sent, contentType: "application/json" }, bound)), provider.name, files);
}

const piecesInABreath = 40;

async function withModel(body: Uint8Array, model: string, { breathe }: AccountFiles): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  for (const piece of spliceElements(body, "requests", { params: new InnerSplices({ model }) })) {
    if (pieces.push(piece) % piecesInABreath === 0) await breathe();
  }
  return Buffer.concat(pieces);
}

export function lookAtMessageBatch(id: string, files: AccountFiles): Promise<JsonObject> {
  return tell(id, "GET", `${endpoint}/{id}`, files);
}

export function cancelMessageBatch(id: string, files: AccountFiles): Promise<JsonObject> {
  return tell(id, "POST", `${endpoint}/{id}/cancel`, files);
}

/** Providers let it go once the ledger has what it consumed: its results, which tell that, go with it. */
export function deleteMessageBatch(id: string, files: AccountFiles): Promise<JsonObject> {
  return tell(id, "DELETE", `${endpoint}/{id}`, files);
}

/** A line for each of its requests, as the vendor has it. */
export function readResults(id: string, files: AccountFiles): Promise<Reply> {
  return askAbout(id, "GET", `${endpoint}/{id}/results`, files);
}

/** What the vendor takes at once, and how often it is asked: the account has the batches of all organizations. */
export const largestMessageBatchPage = 1_000;
export const usualMessageBatchPage = 20;
const maximumPages = 5;

export interface MessageBatchQuery {
  /** At most `largestMessageBatchPage`. */
  readonly limit: number;
  /** The id of the batch that the page begins behind, or ends before; undefined for the newest. */
  readonly cursor: { readonly name: "after_id" | "before_id"; readonly id: string } | undefined;
}

/** The vendor's pages, of which providers leave the organization's own batches alone, until a page of the caller's is full. Newest first. */
export async function listMessageBatches(provider: string, { limit, cursor }: MessageBatchQuery, files: AccountFiles): Promise<FilePage> {
  const isBackwards = cursor?.name === "before_id";
  // The nearest to where the page begins come first.
  const nearest = <Element>(batches: readonly Element[]): Element[] => (isBackwards ? batches.toReversed() : [...batches]);
  const data: JsonObject[] = [];
  let from = cursor === undefined ? undefined : files.placeOf(cursor.id, "batch").vendorId;
  for (let page = 0; page < maximumPages; page++) {
    const query = new URLSearchParams({ limit: String(largestMessageBatchPage), ...(from === undefined ? {} : { [cursor?.name ?? "after_id"]: from }) }).toString();
    const { json: found, ownAccount } = await answerOf(await files.ask(provider, endpoint, { method: "GET", query }));
    for (const batch of nearest((found["data"] ?? []) as JsonObject[])) {
      if (data.length === limit) return { data: nearest(data), hasMore: true };
      data.push(shown({ json: batch, ownAccount }, provider, files));
    }
    const last = found[isBackwards ? "first_id" : "last_id"];
    if (found["has_more"] !== true || typeof last !== "string") return { data: nearest(data), hasMore: false };
    from = last;
  }
  // The next page goes on behind them, and is looked for as far again.
  if (data.length > 0) return { data: nearest(data), hasMore: true };
  throw new GatewayError("UNSUPPORTED_OPERATION", `${largestMessageBatchPage * maximumPages} batches in the account at ${provider} were looked through, and there are more. Keep the ids of your batches.`);
}

async function tell(id: string, method: "GET" | "POST" | "DELETE", path: string, files: AccountFiles): Promise<JsonObject> {
  return shown(await answerOf(await askAbout(id, method, path, files)), files.placeOf(id, "batch").provider, files);
}

async function askAbout(id: string, method: "GET" | "POST" | "DELETE", path: string, files: AccountFiles): Promise<Reply> {
  const place = files.placeOf(id, "batch");
  try {
    return await files.ask(place.provider, path, { method }, place);
  } catch (error) {
    throw error instanceof GatewayError && error.metadata["status"] === "404" ? files.notFound(id, "batch") : error;
  }
}

/** The vendor's batch as its owner sees it. The address of its results is one below the caller's own base URL, where its clients look for it. */
function shown({ json: batch, ownAccount }: AccountAnswer, provider: string, { ids }: AccountFiles): JsonObject {
  const { id, results_url: resultsUrl } = batch;
  if (typeof id !== "string") throw new GatewayError("UPSTREAM_PROTOCOL", `${provider} answered without the id of a batch.`);
  const own = ids.write({ provider, vendorId: id, ownAccount }, "batch");
  return { ...batch, id: own, ...(typeof resultsUrl === "string" ? { results_url: `/v1${endpoint}/${own}/results` } : {}) };
}
