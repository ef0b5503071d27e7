/** Owns the way from LiteLLM's list of prices, in which its community keeps thousands of models, to prices as Weir imports them. */
import type { JsonObject, JsonValue } from "@bufbuild/protobuf";
import { scaledDecimal } from "./decimal.ts";

export interface ConvertedPrices {
  /** As `prices` of an import takes them, in the order of the list. */
  readonly prices: readonly { readonly name: string; readonly price: JsonObject }[];
  /** The names of the models that are not among them, by the reason. */
  readonly leftOut: ReadonlyMap<string, readonly string[]>;
}

/** Where a vendor's models stand in the list, and what Weir calls the vendor. */
interface Shelf {
  readonly vendor: string;
  /** What may precede the vendor's own name of a model. */
  readonly prefix: string;
  /** Whether that name can have a slash in it; else what has one is a variant, of a region, a size or a quality. */
  readonly hasSlashes?: true;
  /** Whether a prompt of just the stated length is a long one; else only what is longer. */
  readonly isLongAtThreshold?: true;
}

/** By `litellm_provider`: https://github.com/BerriAI/litellm/blob/main/model_prices_and_context_window.json */
const shelves: Readonly<Record<string, Shelf>> = {
  openai: { vendor: "openai", prefix: "openai/" },
  "text-completion-openai": { vendor: "openai", prefix: "" },
  anthropic: { vendor: "anthropic", prefix: "anthropic/" },
  gemini: { vendor: "gemini", prefix: "gemini/" },
  "vertex_ai-language-models": { vendor: "vertex", prefix: "vertex_ai/" },
  "vertex_ai-embedding-models": { vendor: "vertex", prefix: "vertex_ai/" },
  "vertex_ai-anthropic_models": { vendor: "vertex_anthropic", prefix: "vertex_ai/" },
  bedrock: { vendor: "bedrock", prefix: "" },
  bedrock_converse: { vendor: "bedrock", prefix: "" },
  azure: { vendor: "azure", prefix: "azure/" },
  mistral: { vendor: "mistral", prefix: "mistral/" },
  cohere: { vendor: "cohere", prefix: "cohere/" },
  cohere_chat: { vendor: "cohere", prefix: "" },
  groq: { vendor: "groq", prefix: "groq/", hasSlashes: true },
  deepseek: { vendor: "deepseek", prefix: "deepseek/" },
  // As LiteLLM rates it: `_INCLUSIVE_THRESHOLD_PROVIDERS` in litellm_core_utils/llm_cost_calc/utils.py.
  xai: { vendor: "xai", prefix: "xai/", isLongAtThreshold: true },
  openrouter: { vendor: "openrouter", prefix: "openrouter/", hasSlashes: true },
  together_ai: { vendor: "together", prefix: "together_ai/", hasSlashes: true },
  fireworks_ai: { vendor: "fireworks", prefix: "fireworks_ai/", hasSlashes: true },
  "fireworks_ai-embedding-models": { vendor: "fireworks", prefix: "fireworks_ai/", hasSlashes: true },
  cerebras: { vendor: "cerebras", prefix: "cerebras/" },
  perplexity: { vendor: "perplexity", prefix: "perplexity/" },
  nvidia_nim: { vendor: "nvidia", prefix: "nvidia_nim/", hasSlashes: true },
  deepinfra: { vendor: "deepinfra", prefix: "deepinfra/", hasSlashes: true },
  github: { vendor: "github", prefix: "github/", hasSlashes: true },
};

/** What of the list's fields becomes which of Weir's prices, and how many of the list's units are one of Weir's. */
const fields: Readonly<Record<string, { readonly price: string; readonly units: bigint }>> = {
  input_cost_per_token: { price: "input", units: 1_000_000n },
  input_cost_per_token_cache_hit: { price: "cached_input", units: 1_000_000n },
  cache_read_input_token_cost: { price: "cached_input", units: 1_000_000n },
  cache_creation_input_token_cost: { price: "cache_write_5m", units: 1_000_000n },
  cache_creation_input_token_cost_above_1hr: { price: "cache_write_1h", units: 1_000_000n },
  output_cost_per_token: { price: "output", units: 1_000_000n },
  output_cost_per_reasoning_token: { price: "output", units: 1_000_000n },
  input_cost_per_audio_token: { price: "audio_input", units: 1_000_000n },
  output_cost_per_audio_token: { price: "audio_output", units: 1_000_000n },
  input_cost_per_image_token: { price: "image_input", units: 1_000_000n },
  output_cost_per_image_token: { price: "image_output", units: 1_000_000n },
  output_cost_per_image: { price: "image", units: 1n },
  input_cost_per_character: { price: "characters", units: 1_000_000n },
  input_cost_per_second: { price: "audio_minute", units: 60n },
  output_cost_per_second: { price: "audio_minute", units: 60n },
  input_cost_per_query: { price: "search_unit", units: 1n },
  input_cost_per_request: { price: "request", units: 1n },
};

/** Costs of services beside the model, of which Weir's ledger knows nothing; the model's own prices are right without them. */
const besideTheModel = /^(code_interpreter|computer_use|file_search|vector_store|google_maps|guardrail)_/;
/** The same input once more, by another measure; vendors that count it in tokens bill those. */
const otherMeasureOfInput = /^input_cost_per_(image|audio_per_second|video_per_second)(_above_|$)/;
/**
 * Models that search at every call, in replies that do not count it: without the fee, which is most of what a call costs, their price would be wrong.
 * https://docs.perplexity.ai/docs/getting-started/pricing, https://developers.openai.com/api/docs/pricing
 */
const searchesByItself = /\bsonar\b|-search-(preview|api)\b/;
/** For the whole call, once its input is longer. */
const thresholdOf = /_above_([0-9]{1,5})k_tokens/;
/** The list's word for a service tier at the end of a field, and the vendors'. */
const tierOf = /_(batches|flex|priority)$/;
const tierNames: Readonly<Record<string, string>> = { batches: "batch", flex: "flex", priority: "priority" };
/** What vendors call the tier that nobody asked for; empty where a reply names none. Groq says `on_demand`: https://console.groq.com/docs/service-tiers */
const standardTiers = ["", "default", "standard", "on_demand"];
/** What a long prompt can have prices of. */
const pricesOfLongPrompts = new Set(["input", "cached_input", "cache_write_5m", "cache_write_1h", "output", "audio_input", "audio_output"]);

/** As an import takes it. */
const isMultiplier = /^[0-9]{1,3}([.][0-9]{1,3})?$/;
const moreLengths = "has prices by more than two lengths of the input";
const millionths = 1_000_000n;
/** Nothing that is counted costs more of a single one. */
const mostDollars = 1_000_000;
/** As large as an import takes. */
const mostAmount = 10_000_000n * millionths - 1n;

/** Converts the list's content, as parsed. Throws RangeError where it is no such list. */
export function convertLitellmPrices(list: unknown): ConvertedPrices {
  if (!isObject(list)) throw new RangeError("it is no JSON object");
  const prices = new Map<string, readonly JsonObject[]>();
  const leftOut = new Map<string, string[]>();
  const leave = (name: string, reason: string): void => void leftOut.set(reason, [...(leftOut.get(reason) ?? []), name]);
  let models = 0;
  for (const [listed, model] of Object.entries(list)) {
    if (!isObject(model) || typeof model["litellm_provider"] !== "string" || listed === "sample_spec") continue;
    models++;
    const name = nameOf(listed, model["litellm_provider"]);
    if (name === undefined) leave(listed, "of a vendor, a region or a variant that Weir has no name for");
    else if (prices.has(name)) leave(listed, "a second price of the same model");
    else if (searchesByItself.test(name)) leave(listed, "has a fee for searches that its replies do not count");
    else {
      const read = readPrices(model, shelves[model["litellm_provider"]]?.isLongAtThreshold === true);
      if (typeof read === "string") leave(listed, read);
      else prices.set(name, read);
    }
  }
  if (models === 0) throw new RangeError("no model in it has a `litellm_provider`");
  return { prices: [...prices].flatMap(([name, ofName]) => ofName.map((price) => ({ name, price }))), leftOut };
}

function nameOf(listed: string, provider: string): string | undefined {
  const shelf = Object.hasOwn(shelves, provider) ? shelves[provider] : undefined;
  if (shelf === undefined) return undefined;
  const model = listed.startsWith(shelf.prefix) ? listed.slice(shelf.prefix.length) : listed;
  return model === "" || (model.includes("/") && shelf.hasSlashes !== true) ? undefined : `${shelf.vendor}/${model}`;
}

/** Prices by name, of one tier and one length of the input, in millionths of a dollar. */
type Amounts = Map<string, bigint>;

/** The prices of one model, those of a tier of its own first; or why Weir cannot state them. */
function readPrices(model: Readonly<Record<string, unknown>>, isLongAtThreshold: boolean): readonly JsonObject[] | string {
  if (model["tiered_pricing"] !== undefined) return moreLengths;
  if (isObject(model["off_peak_pricing"])) return "has prices by the time of day";
  const short = new Map<string, Amounts>();
  const long = new Map<string, Amounts>();
  const thresholds = new Set<string>();
  for (const [field, value] of Object.entries(model)) {
    if (!field.includes("cost") || besideTheModel.test(field) || field === "search_context_cost_per_query" || value === null) continue;
    if (otherMeasureOfInput.test(field) && typeof model["input_cost_per_token"] === "number") continue;
    const tier = tierNames[tierOf.exec(field)?.[1] ?? ""] ?? "";
    const threshold = thresholdOf.exec(field)?.[1];
    const known = fields[field.replace(tierOf, "").replace(thresholdOf, "")];
    // Free is what nobody has to state.
    if (known === undefined && value === 0) continue;
    const amount = known && amountOf(value, known.units);
    if (known === undefined || amount === undefined || (threshold !== undefined && !pricesOfLongPrompts.has(known.price))) return `has a price that Weir does not know: ${field}`;
    if (threshold !== undefined) thresholds.add(threshold);
    if (thresholds.size > 1) return moreLengths;
    const amounts = threshold === undefined ? short : long;
    const ofTier = amounts.get(tier) ?? new Map<string, bigint>();
    amounts.set(tier, ofTier);
    if ((ofTier.get(known.price) ?? amount) !== amount) return `has two prices for one of Weir's: ${known.price}`;
    ofTier.set(known.price, amount);
  }
  const base = short.get("") ?? new Map<string, bigint>();
  if (![...base.values()].some((amount) => amount > 0n)) return "has no price, or all are nought";
  const search = searchPriceOf(model["search_context_cost_per_query"]);
  if (search !== undefined) base.set("web_search", search);
  const multipliers = multipliersOf(model["provider_specific_entry"]);
  const [threshold] = thresholds;
  const tiers = new Set([...short.keys(), ...long.keys()].filter((tier) => tier !== ""));
  return [...tiers, ""].map((tier) => {
    // What a tier does not state is as without it, as what a long prompt does not state is as of a short one.
    const amounts = withLongWrites(new Map([...base, ...(short.get(tier) ?? [])]));
    const ofLong = withLongWrites(new Map([...[...amounts].filter(([price]) => pricesOfLongPrompts.has(price)), ...(long.get("") ?? []), ...(long.get(tier) ?? [])]));
    const longPrompt = threshold === undefined || (long.get(tier) ?? long.get("")) === undefined ? {} : { long_prompt: { above_input_tokens: String(Number(threshold) * 1_000 - (isLongAtThreshold ? 1 : 0)), ...written(ofLong) } };
    return { ...written(amounts), ...longPrompt, ...multipliers(tier || "standard"), service_tiers: tier === "" ? standardTiers : [tier] };
  });
}

/** What is kept for an hour costs no less than what is kept for minutes; Weir takes one that is not stated for usual input, which does. */
function withLongWrites(amounts: Amounts): Amounts {
  const [minutes, hour] = [amounts.get("cache_write_5m"), amounts.get("cache_write_1h")];
  return minutes === undefined || (hour !== undefined && hour >= minutes) ? amounts : new Map([...amounts, ["cache_write_1h", minutes]]);
}

/** What Anthropic computes in the US alone costs a multiple, under a tier of its own (services/providers/edge/anthropic/usage.ts). */
function multipliersOf(entry: unknown): (tier: string) => JsonObject {
  const us = isObject(entry) ? String(entry["us"]) : "";
  return (tier) => (isMultiplier.test(us) ? { tier_multipliers: { [`${tier}_us`]: us } } : {});
}

/** Of a search by the vendor; undefined where it hangs on how much is read, which replies do not tell. */
function searchPriceOf(bySize: unknown): bigint | undefined {
  if (!isObject(bySize)) return undefined;
  const amounts = new Set(Object.values(bySize).map((value) => amountOf(value, 1n)));
  return amounts.size === 1 ? [...amounts][0] : undefined;
}

/** Dollars of so many units, in millionths, half up; undefined where it is no price. */
function amountOf(dollars: unknown, units: bigint): bigint | undefined {
  if (typeof dollars !== "number" || !(dollars >= 0 && dollars <= mostDollars)) return undefined;
  // As the list writes it: the shortest text that is this number.
  const trillionths = scaledDecimal(String(dollars), 12) * units;
  const amount = (trillionths + millionths / 2n) / millionths;
  return amount > mostAmount ? undefined : amount;
}

function written(amounts: Amounts): Record<string, JsonValue> {
  return Object.fromEntries([...amounts].map(([price, amount]) => [price, dollarsOf(amount)]));
}

function dollarsOf(amount: bigint): string {
  const fraction = String(amount % millionths).padStart(6, "0").replace(/0+$/, "");
  return `${amount / millionths}${fraction === "" ? "" : `.${fraction}`}`;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
