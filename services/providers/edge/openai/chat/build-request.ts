/** Owns a whole Chat Completions request, made of types; its members stand in a fixed order, so that a retry has the same bytes. */
import { Modality, type OutputFormat, type Sampling } from "#gen/weir/inference/v1/generation_pb.ts";
import type { Generation } from "#gen/weir/inference/v1/inference_service_pb.ts";
import type { VendorRequest } from "../../../domain/adapter.ts";
import { buildMessages } from "./build-messages.ts";
import { buildReasoning } from "./build-reasoning.ts";
import { buildTools } from "./build-tools.ts";
import { parseEmbeddedJson } from "../../../domain/translation/embedded-json.ts";
import { Warnings } from "../../../domain/translation/warnings.ts";
import { fieldOfMember, type OpenaiQuirks } from "../compatible/quirks.ts";

export const chatCompletionsPath = "/chat/completions";

/** Throws UNSUPPORTED_FIELD for what the vendor cannot honour when `generation.strict`, else warns. */
export function buildRequest(generation: Generation, model: string, stream: boolean, quirks: OpenaiQuirks): VendorRequest {
  const warnings = new Warnings("The vendor", generation.strict);
  const messages = buildMessages(generation.messages, warnings, quirks);
  const tools = buildTools(generation, warnings, quirks);
  const reasoning = buildReasoning(generation, model, tools.tools !== undefined, warnings, quirks);
  const body = {
    model,
    messages,
    ...onlyKnown({ ...tools, ...reasoning, ...buildOptions(generation, warnings, quirks) }, warnings, quirks),
    ...(stream ? { stream: true } : {}),
    ...(stream && quirks.hasStreamOptions ? { stream_options: { include_usage: true } } : {}),
  };
  return {
    path: chatCompletionsPath,
    headers: {},
    body: Buffer.from(JSON.stringify(body)),
    warnings: warnings.list,
    // Types always carry the usage.
    withholdUsage: false,
  };
}

type Options = Readonly<Record<string, unknown>>;

function buildOptions(generation: Generation, warnings: Warnings, quirks: OpenaiQuirks): Options {
  return {
    ...buildOutputFormat(generation.outputFormat, warnings, quirks),
    ...buildSampling(generation.sampling, warnings, quirks),
    ...buildLimits(generation, quirks),
    ...buildOutput(generation),
    ...buildReferences(generation, quirks),
  };
}

/** What a vendor does where nothing is said. */
const unaskedFor: Readonly<Options> = { parallel_tool_calls: true, n: 1, logprobs: false, top_logprobs: 0, presence_penalty: 0, frequency_penalty: 0, store: false };

/** The options without those that the server does not know. What says no more than its absence is not missed. */
function onlyKnown(options: Options, warnings: Warnings, { unknownMembers }: OpenaiQuirks): Options {
  const unknown: ReadonlySet<string> = new Set(unknownMembers);
  for (const member of unknownMembers) {
    const value = options[member];
    if (value !== undefined && value !== unaskedFor[member]) warnings.add(fieldOfMember[member], "The vendor has nothing like it; it is left out.");
  }
  return unknown.size === 0 ? options : Object.fromEntries(Object.entries(options).filter(([member]) => !unknown.has(member)));
}

export function buildOutputFormat(format: OutputFormat | undefined, warnings: Warnings, { hasJsonSchema }: OpenaiQuirks): { readonly response_format?: object } {
  switch (format?.kind.case) {
    case "text":
      return { response_format: { type: "text" } };
    case "jsonObject":
      return { response_format: { type: "json_object" } };
    case "jsonSchema": {
      if (!hasJsonSchema) {
        warnings.add("output_format.json_schema", "The vendor holds no reply to a schema; some JSON object is asked for, and the schema is left out.");
        return { response_format: { type: "json_object" } };
      }
      const { name, description, jsonSchema, strict } = format.kind.value;
      return {
        response_format: {
          type: "json_schema",
          json_schema: {
            // The vendor wants a name; other dialects do not know one.
            name: name === "" ? "reply" : name,
            ...(description === "" ? {} : { description }),
            ...(jsonSchema === "" ? {} : { schema: parseEmbeddedJson(jsonSchema, "output_format.json_schema.json_schema") }),
            ...(strict === undefined ? {} : { strict }),
          },
        },
      };
    }
    default:
      return {};
  }
}

function buildSampling(sampling: Sampling | undefined, warnings: Warnings, quirks: OpenaiQuirks): object {
  if (sampling === undefined) return {};
  if (sampling.topK !== undefined && !quirks.hasTopK) warnings.add("sampling.top_k", "The vendor cannot choose among a number of candidates; it is left out.");
  return {
    ...present("temperature", sampling.temperature),
    ...present("top_p", sampling.topP),
    ...present("presence_penalty", sampling.presencePenalty),
    ...present("frequency_penalty", sampling.frequencyPenalty),
    ...(sampling.topK !== undefined && quirks.hasTopK ? { top_k: Number(sampling.topK) } : {}),
    ...buildSeed(sampling.seed, warnings, quirks),
    ...(Object.keys(sampling.logitBias).length === 0 ? {} : { logit_bias: sampling.logitBias }),
  };
}

function buildSeed(seed: bigint | undefined, warnings: Warnings, { seedField }: OpenaiQuirks): object {
  if (seed === undefined) return {};
  const number = Number(seed);
  if (Number.isSafeInteger(number)) return { [seedField]: number };
  warnings.add("sampling.seed", "JSON cannot carry a seed beyond 2^53; it is left out.");
  return {};
}

function buildLimits({ maxOutputTokens, stopSequences, candidateCount }: Generation, { outputMaximumField }: OpenaiQuirks): object {
  return {
    ...present(outputMaximumField, maxOutputTokens === undefined ? undefined : Number(maxOutputTokens)),
    ...(stopSequences.length === 0 ? {} : { stop: stopSequences }),
    ...present("n", candidateCount),
  };
}

function buildOutput({ logprobs, topLogprobs, modalities, audio, verbosity }: Generation): object {
  const words = modalities.flatMap((modality) => modalityWords.get(modality) ?? []);
  return {
    ...(logprobs ? { logprobs } : {}),
    ...present("top_logprobs", topLogprobs),
    ...(words.length === 0 ? {} : { modalities: words }),
    // Ids of custom voices begin with `voice_` and go in an object, names of voices go as they are.
    ...(audio === undefined ? {} : { audio: { voice: audio.voice.startsWith("voice_") ? { id: audio.voice } : audio.voice, format: audio.format } }),
    ...present("verbosity", verbosity),
  };
}

const modalityWords: ReadonlyMap<Modality, string> = new Map<Modality, string>([
  [Modality.TEXT, "text"],
  [Modality.AUDIO, "audio"],
  [Modality.IMAGE, "image"],
]);

function buildReferences({ serviceTier, endUser, metadata, store, promptCacheKey }: Generation, { endUserField }: OpenaiQuirks): object {
  return {
    ...present("service_tier", serviceTier),
    ...present(endUserField, endUser),
    ...(Object.keys(metadata).length === 0 ? {} : { metadata }),
    ...present("store", store),
    ...present("prompt_cache_key", promptCacheKey),
  };
}

export function present(name: string, value: unknown): object {
  return value === undefined ? {} : { [name]: value };
}
