/** Owns the bound of an attempt at a target, for each operation: what of the request, and what of the model, decides it. */
import type { Part } from "#gen/weir/inference/v1/content_pb.ts";
import type { SynthesizeSpeechRequest } from "#gen/weir/inference/v1/speech_pb.ts";
import { Meter } from "#gen/weir/types/v1/usage_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import type { RelayedName } from "../targets/capability.ts";
import { factsOf } from "../targets/fitness.ts";
import type { Target } from "../targets/plan.ts";
import type { UnaryName, UnaryRequest } from "../unary-operation.ts";
import type { Bound, BoundedQuantity } from "./bound.ts";
import type { GenerationExtent } from "./generation-extent.ts";
import { mostImageInputTokens, mostImageOutputTokens } from "./image-tokens.ts";

const textInput: readonly Meter[] = [Meter.INPUT_TOKENS, Meter.CACHED_INPUT_TOKENS, Meter.CACHE_WRITE_5M_INPUT_TOKENS];
const generatedOutput: readonly Meter[] = [Meter.OUTPUT_TOKENS, Meter.REASONING_OUTPUT_TOKENS, Meter.AUDIO_OUTPUT_TOKENS, Meter.IMAGE_OUTPUT_TOKENS];

/** Sound of speech has seldom fewer bytes a second: Opus begins at 6 kbit/s (https://www.rfc-editor.org/rfc/rfc6716#section-2.1.1). */
const leastBytesPerSecond = 750n;
/** Nobody speaks, and no model hears, more tokens in a second: Gemini counts 32 (https://ai.google.dev/gemini-api/docs/audio). */
const mostTokensPerSecond = 50n;

/** Throws UNBOUNDED_COST where what goes to the target lets its vendor work without a limit. */
export function boundOfGeneration(extent: GenerationExtent, target: Target, goesAsBytes: boolean): Bound {
  const { dearerTier, images, soundBytes, isOpenEnded } = extent;
  const unlimitedBy = whatUnlimits(extent, target, goesAsBytes);
  if (unlimitedBy !== undefined) {
    throw new GatewayError("UNBOUNDED_COST", `With ${unlimitedBy} the vendor itself decides how much this request costs, and a budget applies to this key. Leave it out, or use a key that no budget applies to.`, {
      metadata: { model: target.name, field: unlimitedBy },
    });
  }
  const window = factsOf(target)?.contextWindowTokens;
  const imageTokens = images === 0n ? 0n : times(images, mostImageInputTokens(target.provider.vendor, target.model));
  const inMessages = isOpenEnded || imageTokens === undefined ? undefined : extent.textTokens + imageTokens + soundBytes;
  const meters = [...textInput, ...(extent.keepsForAnHour ? [Meter.CACHE_WRITE_1H_INPUT_TOKENS] : []), ...(soundBytes > 0n || isOpenEnded ? [Meter.AUDIO_INPUT_TOKENS] : [])];
  return {
    quantities: [
      { meters, quantity: lesser(inMessages, window), needsPrice: true },
      ...(soundBytes > 0n || isOpenEnded ? [{ meters: [Meter.AUDIO_MILLISECONDS], quantity: isOpenEnded ? undefined : millisecondsOf(soundBytes) }] : []),
    ],
    output: {
      meters: generatedOutput,
      candidates: atLeastOne(extent.candidates),
      maximumTokens: limits(extent.maximumOutputTokens, target) ? extent.maximumOutputTokens : factsOf(target)?.maxOutputTokens,
      leastTokens: extent.leastOutputTokens,
    },
    ...(dearerTier === undefined ? {} : { dearerTier }),
    advice: adviceFor(target, "Say in the request how many tokens may be generated, and send files and images with it"),
  };
}

/** What lets the vendor work on without a limit: the field that says so. In types, what only others know is left out. */
export function whatUnlimits({ unlimitedField, unlimitedTools }: GenerationExtent, { provider }: Target, goesAsBytes: boolean): string | undefined {
  // Who takes nobody's bytes may still know tools in the form of some dialect.
  const { nativeDialects } = provider;
  const tool = unlimitedTools.find(({ dialect }) => goesAsBytes || nativeDialects.length === 0 || nativeDialects.includes(dialect));
  return tool === undefined ? (goesAsBytes ? unlimitedField : undefined) : `tools (${tool.type})`;
}

/** Below 1 a maximum may be none (https://docs.ollama.com/modelfile); only Anthropic reads 0 as no output, to warm its cache: https://platform.claude.com/docs/en/build-with-claude/prompt-caching */
function limits(maximum: bigint | undefined, { provider }: Target): maximum is bigint {
  return maximum !== undefined && maximum >= (provider.vendor.endsWith("anthropic") ? 0n : 1n);
}

/** Of what vendors do for nothing. */
export function freeOfCharge(): Bound {
  return { quantities: [], advice: "" };
}

/** Of a request that is answered in one piece. */
export function boundOfUnary<Name extends UnaryName>(operation: Name, request: UnaryRequest<Name>, target: Target): Bound {
  return unaryBounds[operation](request, target);
}

const unaryBounds: { readonly [Name in UnaryName]: (request: UnaryRequest<Name>, target: Target) => Bound } = {
  countTokens: freeOfCharge,
  embed: ({ inputs, tokenInputs }, target) => {
    const tokens = sum(inputs.map(lengthOf)) + sum(tokenInputs.map(({ tokens }) => BigInt(tokens.length))) + BigInt(16 * (inputs.length + tokenInputs.length));
    return { quantities: [{ meters: [Meter.INPUT_TOKENS], quantity: tokens, needsPrice: true }], advice: adviceFor(target) };
  },
  moderate: ({ inputs }, target) => {
    const parts = inputs.flatMap((input) => input.parts);
    return { quantities: [{ meters: [Meter.INPUT_TOKENS], quantity: inputOfParts(parts, target), needsPrice: true }], advice: adviceFor(target) };
  },
  rerank: ({ query, documents }, target) => ({
    quantities: [
      { meters: [Meter.SEARCH_UNITS], quantity: searchUnitsOf(query, documents) },
      { meters: [Meter.INPUT_TOKENS], quantity: sum(documents.map((document) => lengthOf(document) + lengthOf(query) + 16n)) },
    ],
    advice: adviceFor(target),
  }),
  generateImages: ({ prompt, count }, target) => boundOfImages(BigInt(count ?? 1), lengthOf(prompt), 0n, target),
  editImages: ({ prompt, count, images, mask }, target) => boundOfImages(BigInt(count ?? 1), lengthOf(prompt), BigInt(images.length + (mask === undefined ? 0 : 1)), target),
  transcribe: ({ audio, prompt }, target) => boundOfRecording(BigInt(audio.length), lengthOf(prompt), target),
};

export function boundOfSpeech({ input, instructions }: Pick<SynthesizeSpeechRequest, "input" | "instructions">, target: Target): Bound {
  return boundOfText(BigInt([...input].length), lengthOf(input) + lengthOf(instructions), target);
}

/** What is read of a relayed request for its bound. */
export interface RelayExtent {
  readonly bytes: number;
  /** How many images are asked for, and how many files come with the request. */
  readonly count: bigint;
  readonly files: bigint;
}

export function boundOfRelay(operation: RelayedName, extent: RelayExtent, target: Target): Bound {
  return relayBounds[operation](extent, target);
}

/** The longest prompt that OpenAI takes for an image, in characters: https://developers.openai.com/api/reference/resources/images/methods/edit */
const longestImagePrompt = 32_000n;
/** Of the text that leads a transcription, models read the last 224 tokens: https://developers.openai.com/api/docs/guides/speech-to-text */
const transcriptionPromptTokens = 1_024n;

const relayBounds: { readonly [Name in RelayedName]: (extent: RelayExtent, target: Target) => Bound } = {
  transcribe: ({ bytes }, target) => boundOfRecording(BigInt(bytes), transcriptionPromptTokens, target),
  generateImages: ({ bytes, count }, target) => boundOfImages(count, BigInt(bytes), 0n, target),
  editImages: ({ count, files }, target) => boundOfImages(count, 4n * longestImagePrompt, files, target),
  // The text is a part of these bytes, and each of its characters is a byte or more.
  synthesizeSpeech: ({ bytes }, target) => boundOfText(BigInt(bytes), BigInt(bytes), target),
};

function boundOfText(characters: bigint, tokens: bigint, target: Target): Bound {
  return {
    quantities: [
      { meters: [Meter.CHARACTERS], quantity: characters },
      { meters: [Meter.INPUT_TOKENS], quantity: tokens + 16n },
      { meters: [Meter.AUDIO_OUTPUT_TOKENS, Meter.OUTPUT_TOKENS], quantity: factsOf(target)?.maxOutputTokens },
    ],
    advice: adviceFor(target),
  };
}

function boundOfImages(asked: bigint, promptTokens: bigint, images: bigint, target: Target): Bound {
  const { vendor } = target.provider;
  const count = atLeastOne(asked);
  const inputImages = images === 0n ? 0n : times(images, mostImageInputTokens(vendor, target.model));
  return {
    quantities: [
      { meters: [Meter.IMAGES], quantity: count },
      { meters: [Meter.INPUT_TOKENS, Meter.CACHED_INPUT_TOKENS], quantity: promptTokens + 512n },
      { meters: [Meter.INPUT_TOKENS, Meter.CACHED_INPUT_TOKENS, Meter.IMAGE_INPUT_TOKENS], quantity: inputImages },
      { meters: [Meter.IMAGE_OUTPUT_TOKENS, Meter.OUTPUT_TOKENS], quantity: times(count, mostImageOutputTokens(vendor, target.model) ?? factsOf(target)?.maxOutputTokens) },
    ],
    advice: adviceFor(target),
  };
}

function boundOfRecording(bytes: bigint, promptTokens: bigint, target: Target): Bound {
  const milliseconds = millisecondsOf(bytes);
  const tokens = (milliseconds * mostTokensPerSecond) / 1_000n + promptTokens + 64n;
  return {
    quantities: [
      { meters: [Meter.AUDIO_MILLISECONDS], quantity: milliseconds },
      { meters: [Meter.INPUT_TOKENS, Meter.AUDIO_INPUT_TOKENS], quantity: lesser(tokens, factsOf(target)?.contextWindowTokens) },
      { meters: [Meter.OUTPUT_TOKENS], quantity: lesser(tokens, factsOf(target)?.maxOutputTokens) },
    ],
    advice: adviceFor(target),
  };
}

function inputOfParts(parts: readonly Part[], target: Target): bigint | undefined {
  const images = parts.filter(({ kind }) => kind.case === "image").length;
  const imageTokens = images === 0 ? 0n : times(BigInt(images), mostImageInputTokens(target.provider.vendor, target.model));
  const text = sum(parts.map(({ kind }) => (kind.case === "text" ? lengthOf(kind.value.text) : 0n) + 16n));
  return imageTokens === undefined ? undefined : text + imageTokens;
}

/**
 * A unit is a query with up to 100 documents; a document of more than 500 tokens, the query included, counts as several:
 * https://docs.cohere.com/docs/how-does-cohere-pricing-work
 */
function searchUnitsOf(query: string, documents: readonly string[]): bigint {
  const room = 500n - lengthOf(query);
  const chunkTokens = room > 100n ? room : 100n;
  const chunks = sum(documents.map((document) => lengthOf(document) / chunkTokens + 1n));
  return chunks / 100n + 1n;
}

function millisecondsOf(soundBytes: bigint): bigint {
  return (soundBytes * 1_000n) / leastBytesPerSecond + 1_000n;
}

function adviceFor({ provider, model }: Target, advice = ""): string {
  const setting = `state \`max_output_tokens\` and \`context_window_tokens\` of ${provider.vendor}/${model} under \`models\` in weir.yaml.`;
  return advice === "" ? `${setting[0]!.toUpperCase()}${setting.slice(1)}` : `${advice}, or ${setting}`;
}

/** What a caller asks none of, or less, the vendor refuses or makes one of. */
function atLeastOne(count: bigint): bigint {
  return count < 1n ? 1n : count;
}

function lesser(left: bigint | undefined, right: bigint | undefined): bigint | undefined {
  if (left === undefined || right === undefined) return left ?? right;
  return left < right ? left : right;
}

function times(count: bigint, each: bigint | undefined): BoundedQuantity["quantity"] {
  return each === undefined ? undefined : count * each;
}

function sum(values: readonly bigint[]): bigint {
  return values.reduce((total, value) => total + value, 0n);
}

function lengthOf(text: string): bigint {
  return BigInt(Buffer.byteLength(text));
}
