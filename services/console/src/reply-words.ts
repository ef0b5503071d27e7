/** Owns the words for what is known of a reply. */
import { FinishReason, FinishReasonSchema } from "#gen/weir/inference/v1/generation_pb.ts";
import { Meter, UsageSource, type MeterQuantity, type Usage } from "#gen/weir/types/v1/usage_pb.ts";
import type { Tone } from "./attempt.ts";
import { milliseconds, shortCount } from "./format/number.ts";
import type { Ending, Reply } from "./reply.ts";
import { inputTokens, outputTokens } from "./usage-rows.ts";

const endings: Readonly<Record<Ending, Tone>> = { answered: "good", stopped: "still", failed: "bad" };

const cacheStates: Readonly<Record<string, string>> = {
  hit: "answered, no vendor was asked",
  similar: "answered, from a call in other words",
  miss: "had no answer",
  bypass: "was passed by",
};

export function endingOf({ ending }: Reply): { readonly title: string; readonly tone: Tone } {
  return ending === undefined ? { title: "answering …", tone: "near" } : { title: ending, tone: endings[ending] };
}

/** Empty until somebody answers; with the vendor's own name of the model, where that is another. */
export function whoAnswered({ target, model }: Reply): string {
  return model === "" || target.endsWith(`/${model}`) ? target : `${target}, as ${model}`;
}

/** Empty until it is known. */
export function whyEnded({ finishReason }: Reply): string {
  if (finishReason === FinishReason.UNSPECIFIED) return "";
  return (FinishReasonSchema.value[finishReason]?.name ?? `reason ${finishReason}`).replace("FINISH_REASON_", "").replaceAll("_", " ").toLowerCase();
}

/** Empty until the end is told: that of a call that was broken off is in the ledger alone. */
export function tokensOf({ ending, usage }: Reply): string {
  return ending === "answered" ? (usage === undefined ? "not reported" : tokensIn(usage)) : "";
}

export function timesOf({ firstWordMs, totalMs }: Reply): string {
  const first = firstWordMs === undefined ? [] : [`first word after ${milliseconds(BigInt(firstWordMs))}`];
  const end = totalMs === undefined ? [] : [`end after ${milliseconds(BigInt(totalMs))}`];
  return [...first, ...end].join(", ");
}

/** Empty where nothing is cached. */
export function whatCacheDid({ cacheState }: Reply): string {
  return cacheStates[cacheState] ?? cacheState;
}

function tokensIn({ quantities, source }: Usage): string {
  const read = partly(inputTokens(quantities), "in", quantityOf(quantities, Meter.CACHED_INPUT_TOKENS), "cached");
  const written = partly(outputTokens(quantities), "out", quantityOf(quantities, Meter.REASONING_OUTPUT_TOKENS), "reasoning");
  return [read, written, ...(source === UsageSource.ESTIMATED ? ["counted by Weir"] : [])].join(", ");
}

function partly(all: bigint, where: string, part: bigint, what: string): string {
  return part === 0n ? `${shortCount(all)} ${where}` : `${shortCount(all)} ${where} (${shortCount(part)} ${what})`;
}

function quantityOf(quantities: readonly MeterQuantity[], meter: Meter): bigint {
  return quantities.find((one) => one.meter === meter)?.quantity ?? 0n;
}
