/** Owns the way from types to the body of a Converse request. */
import type { OutputFormat } from "#gen/weir/inference/v1/generation_pb.ts";
import type { Generation } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import { warnOfOptions, type Option } from "../../domain/translation/asked-options.ts";
import { parseEmbeddedJson } from "../../domain/translation/embedded-json.ts";
import { heldSchema } from "../../domain/translation/held-schema.ts";
import type { VendorRequest } from "../../domain/adapter.ts";
import { writeModelFields } from "./model-fields.ts";
import { pathOf } from "./model-path.ts";
import { Warnings } from "../../domain/translation/warnings.ts";
import type { Block } from "../../domain/translation/turns.ts";
import { writeConversation } from "./write-content.ts";
import { writeTools } from "./write-tools.ts";

/** What Bedrock has nothing like. */
const lacking: readonly Option[] = ["sampling.seed", "sampling.presence_penalty", "sampling.frequency_penalty", "sampling.logit_bias", "logprobs", "top_logprobs", "modalities", "audio", "end_user", "store", "verbosity", "prompt_cache_key", "candidate_count"];

/** Where Claude says which stop sequence it met; a model that says nothing of the kind ignores it. Source: ConverseRequest in AWS's SDK. */
const stopSequencePointer = "/stop_sequence";

/** Throws UNSUPPORTED_FIELD for content Bedrock cannot take, and for everything else it cannot honour when strict. */
export function buildRequest(generation: Generation, model: string, stream: boolean): VendorRequest {
  const warnings = new Warnings("Bedrock", generation.strict);
  const body = Buffer.from(JSON.stringify(writeBody(generation, model, warnings)));
  return { path: pathOf(model, stream ? "converse-stream" : "converse"), headers: {}, body, warnings: warnings.list, withholdUsage: false };
}

export function writeBody(generation: Generation, model: string, warnings: Warnings): Block {
  warnOfOptions("Bedrock", lacking, generation, warnings);
  const { system, turns } = writeConversation(generation.messages, warnings);
  const modelFields = writeModelFields(generation, turns, model, warnings);
  const tools = writeTools(generation, turns, model, warnings);
  const { stopSequences } = generation;
  const additional = { ...modelFields.additional, ...tools.additional };
  const inferenceConfig = { ...modelFields.inferenceConfig, ...(stopSequences.length === 0 ? {} : { stopSequences }) };
  return {
    ...(system.length === 0 ? {} : { system }),
    messages: turns,
    ...(isEmpty(inferenceConfig) ? {} : { inferenceConfig }),
    ...(tools.toolConfig === undefined ? {} : { toolConfig: tools.toolConfig }),
    ...writeFormat(generation.outputFormat, warnings),
    ...(isEmpty(additional) ? {} : { additionalModelRequestFields: additional }),
    ...(stopSequences.length === 0 ? {} : { additionalModelResponseFieldPaths: [stopSequencePointer] }),
    ...writeServiceTier(generation.serviceTier, warnings),
    ...writeMetadata(generation.metadata, warnings),
  };
}

/** No dialect is Bedrock's own, so nobody asks for it. */
export function refuseNative(): never {
  throw new GatewayError("INVALID_REQUEST", "Bedrock speaks no dialect of Weir's; send it types.");
}

/** Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_JsonSchemaDefinition.html; the schema is text there. */
function writeFormat(format: OutputFormat | undefined, warnings: Warnings): Block {
  if (format?.kind.case === "jsonObject") {
    warnings.add("output_format.json_object", "JSON without a schema cannot be enforced; ask for it in the prompt, or give a schema.");
  }
  if (format?.kind.case !== "jsonSchema") return {};
  const { name, description, jsonSchema } = format.kind.value;
  const field = "output_format.json_schema.json_schema";
  const schema = heldSchema(parseEmbeddedJson(jsonSchema, field), field, warnings);
  const definition = { schema: JSON.stringify(schema), ...(name === "" ? {} : { name }), ...(description === "" ? {} : { description }) };
  return { outputConfig: { textFormat: { type: "json_schema", structure: { jsonSchema: definition } } } };
}

/** Source: ServiceTierType in AWS's SDK; `auto` is OpenAI's and Anthropic's word for leaving it to the vendor. */
function writeServiceTier(tier: string | undefined, warnings: Warnings): Block {
  if (tier === undefined || tier === "auto") return {};
  if (["default", "flex", "priority", "reserved"].includes(tier)) return { serviceTier: { type: tier } };
  warnings.add("service_tier", `Bedrock has no tier "${tier}"; it is left out.`);
  return {};
}

/** Sources of the bounds: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html and …/API_RequestMetadataBaseFilters.html. */
function writeMetadata(metadata: Readonly<Record<string, string>>, warnings: Warnings): Block {
  const all = Object.entries(metadata);
  const fitting = all.filter(([name, value]) => /^[\w\s.:/=+$@-]{1,256}$/.test(name) && /^[\w\s.:/=+$@-]{0,256}$/.test(value)).slice(0, 16);
  if (fitting.length < all.length) warnings.add("metadata", "Bedrock takes 16 pairs of plain characters, 256 long at most; the others are left out.");
  return fitting.length === 0 ? {} : { requestMetadata: Object.fromEntries(fitting) };
}

function isEmpty(block: Block): boolean {
  return Object.keys(block).length === 0;
}
