/** Owns the proof that no vendor drops a field of a request in silence: each field of the contract changes what is sent, or is warned of or refused. */
import { fromJson, type DescMessage, type JsonObject } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import { GenerationSchema } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import type { VendorAdapter } from "../domain/adapter.ts";
import { vendors } from "./vendors.ts";

/** A request without the field, and the same with it. */
interface Sample {
  readonly without: JsonObject;
  readonly given: JsonObject;
}

const hi = { text: { text: "Hi" } };
const said = (role: string, ...parts: JsonObject[]): JsonObject => ({ role: `ROLE_${role}`, parts });
const question = { messages: [said("USER", hi)] };
const png = Buffer.from("\x89PNG\r\n\x1a\n", "latin1").toString("base64");
const wav = Buffer.from("RIFF\0\0\0\0WAVE").toString("base64");
const document = { data: Buffer.from("A weir measures.").toString("base64"), media_type: "text/plain" };
const call = { id: "call_1", name: "f", arguments: '{"a":1}' };
const schema = '{"type":"object","properties":{"a":{"type":"string"}},"required":["a"],"additionalProperties":false}';
const tool = { name: "f", parameters_json_schema: schema };
const native = { dialect: "of_nobody", json: Buffer.from("{}").toString("base64") };

/** A question that asks for more than it would else. */
const asking = (more: JsonObject, among: JsonObject = {}): Sample => ({ without: { ...question, ...among }, given: { ...question, ...among, ...more } });
/** A part beside others, or in place of the same part without the field. */
const part = (given: JsonObject, without?: JsonObject): Sample => ({
  without: { messages: [said("USER", hi, ...(without === undefined ? [] : [without]))] },
  given: { messages: [said("USER", hi, given)] },
});
/** What the model said before the user goes on. */
const reply = (given: JsonObject, without?: JsonObject): Sample => ({
  without: { messages: [said("USER", hi), said("ASSISTANT", hi, ...(without === undefined ? [] : [without])), said("USER", hi)] },
  given: { messages: [said("USER", hi), said("ASSISTANT", hi, given), said("USER", hi)] },
});
/** A call of a tool and its result, of which one differs. */
const toolTurn = (given: { readonly call?: JsonObject; readonly result?: JsonObject }): Sample => {
  const turn = ({ call: callMore = {}, result = {} }: typeof given): JsonObject => ({
    tools: [{ function: tool }],
    messages: [said("USER", hi), said("ASSISTANT", { tool_call: { ...call, ...callMore } }), said("TOOL", { tool_result: { tool_call_id: call.id, parts: [hi], ...result } })],
  });
  return { without: turn({}), given: turn(given) };
};
const image = (media: JsonObject): JsonObject => ({ image: { media } });
const file = (more: JsonObject): JsonObject => ({ file: { media: document, ...more } });
const functionWith = (more: JsonObject): Sample => ({ without: { ...question, tools: [{ function: tool }] }, given: { ...question, tools: [{ function: { ...tool, ...more } }] } });
const jsonSchema = (more: JsonObject): Sample => asking({ output_format: { json_schema: { name: "n", json_schema: schema, ...more } } }, { output_format: { json_schema: { name: "n", json_schema: schema } } });
const marker = { lifetime: "LIFETIME_ONE_HOUR" };

/** By the path of each field; an id differs in the call and in its result. */
const samples: Readonly<Record<string, Sample>> = {
  "messages.role": { without: { messages: [said("USER", hi), said("USER", hi)] }, given: { messages: [said("SYSTEM", hi), said("USER", hi)] } },
  "messages.parts.text.text": part({ text: { text: "there" } }),
  "messages.parts.text.citations": reply({ text: { text: "cited", citations: [{ cited_text: "x", url: "https://a.example" }] } }, { text: { text: "cited" } }),
  "messages.parts.image.media.data": part(image({ data: png, media_type: "image/png" })),
  "messages.parts.image.media.url": part(image({ url: "https://a.example/a.png" })),
  "messages.parts.image.media.file_id": part(image({ file_id: "file_1" })),
  "messages.parts.image.media.media_type": part(image({ data: png, media_type: "image/jpeg" }), image({ data: png, media_type: "image/png" })),
  "messages.parts.image.detail": part({ image: { media: { data: png, media_type: "image/png" }, detail: "IMAGE_DETAIL_LOW" } }, image({ data: png, media_type: "image/png" })),
  "messages.parts.audio.media.data": part({ audio: { media: { data: wav, media_type: "audio/wav" } } }),
  "messages.parts.audio.media.url": part({ audio: { media: { url: "https://a.example/a.wav" } } }),
  "messages.parts.audio.media.file_id": part({ audio: { media: { file_id: "file_1" } } }),
  "messages.parts.audio.media.media_type": part({ audio: { media: { data: wav, media_type: "audio/mpeg" } } }, { audio: { media: { data: wav, media_type: "audio/wav" } } }),
  "messages.parts.audio.transcript": part({ audio: { transcript: "Hello" } }),
  "messages.parts.audio.id": reply({ audio: { id: "audio_1", transcript: "Hello" } }),
  "messages.parts.file.media.data": part(file({})),
  "messages.parts.file.media.url": part({ file: { media: { url: "https://a.example/a.pdf" } } }),
  "messages.parts.file.media.file_id": part({ file: { media: { file_id: "file_1" } } }),
  "messages.parts.file.media.media_type": part(file({ media: { data: document.data, media_type: "application/pdf" } }), file({})),
  "messages.parts.file.filename": part(file({ filename: "a.txt" }), file({})),
  "messages.parts.file.title": part(file({ title: "A" }), file({})),
  "messages.parts.file.context": part(file({ context: "It is old." }), file({})),
  "messages.parts.file.citations_enabled": part(file({ citations_enabled: true }), file({})),
  "messages.parts.tool_call.id": toolTurn({ call: { id: "call_2" }, result: { tool_call_id: "call_2" } }),
  "messages.parts.tool_call.name": toolTurn({ call: { name: "g" } }),
  "messages.parts.tool_call.arguments": toolTurn({ call: { arguments: '{"a":2}' } }),
  "messages.parts.tool_call.custom": toolTurn({ call: { custom: true } }),
  "messages.parts.tool_result.tool_call_id": toolTurn({ call: { id: "call_2" }, result: { tool_call_id: "call_2" } }),
  "messages.parts.tool_result.parts": toolTurn({ result: { parts: [hi, hi] } }),
  "messages.parts.tool_result.is_error": toolTurn({ result: { is_error: true } }),
  "messages.parts.reasoning.text": reply({ reasoning: { text: "Hm." } }),
  "messages.parts.reasoning.signature": reply({ reasoning: { text: "Hm.", signature: "c2ln" } }, { reasoning: { text: "Hm." } }),
  "messages.parts.reasoning.redacted_data": reply({ reasoning: { redacted_data: "ZGF0YQ==" } }),
  "messages.parts.refusal.text": reply({ refusal: { text: "No." } }),
  "messages.parts.native": part({ native }),
  "messages.parts.cache_marker.lifetime": part({ ...hi, cache_marker: marker }, hi),
  "messages.name": { without: question, given: { messages: [{ ...said("USER", hi), name: "Ada" }] } },
  "tools.function.name": asking({ tools: [{ function: tool }] }),
  "tools.function.description": functionWith({ description: "Does." }),
  "tools.function.parameters_json_schema": functionWith({ parameters_json_schema: '{"type":"object","properties":{"b":{"type":"string"}}}' }),
  "tools.function.strict": functionWith({ strict: true }),
  "tools.custom.name": asking({ tools: [{ custom: { name: "c" } }] }),
  "tools.custom.description": asking({ tools: [{ custom: { name: "c", description: "Does." } }] }, { tools: [{ custom: { name: "c" } }] }),
  "tools.custom.format_json": asking({ tools: [{ custom: { name: "c", format_json: Buffer.from('{"type":"text"}').toString("base64") } }] }, { tools: [{ custom: { name: "c" } }] }),
  "tools.native": asking({ tools: [{ native }] }),
  "tools.cache_marker.lifetime": asking({ tools: [{ function: tool, cache_marker: marker }] }, { tools: [{ function: tool }] }),
  "tool_choice.mode": asking({ tool_choice: { mode: "MODE_REQUIRED" } }, { tools: [{ function: tool }] }),
  "tool_choice.name": asking({ tool_choice: { mode: "MODE_NAMED", name: "f" } }, { tools: [{ function: tool }] }),
  parallel_tool_calls: asking({ parallel_tool_calls: false }, { tools: [{ function: tool }] }),
  "output_format.json_object": asking({ output_format: { json_object: {} } }),
  "output_format.json_schema.name": jsonSchema({ name: "other" }),
  "output_format.json_schema.description": jsonSchema({ description: "Is." }),
  "output_format.json_schema.json_schema": asking({ output_format: { json_schema: { name: "n", json_schema: schema } } }),
  "output_format.json_schema.strict": jsonSchema({ strict: true }),
  "reasoning.effort": asking({ reasoning: { effort: "EFFORT_HIGH" } }),
  "reasoning.budget_tokens": asking({ reasoning: { budget_tokens: "2000" } }),
  "reasoning.adaptive": asking({ reasoning: { adaptive: true } }),
  "reasoning.include_text": asking({ reasoning: { effort: "EFFORT_HIGH", include_text: true } }, { reasoning: { effort: "EFFORT_HIGH" } }),
  "sampling.temperature": asking({ sampling: { temperature: 0.5 } }),
  "sampling.top_p": asking({ sampling: { top_p: 0.5 } }),
  "sampling.top_k": asking({ sampling: { top_k: "5" } }),
  "sampling.presence_penalty": asking({ sampling: { presence_penalty: 0.5 } }),
  "sampling.frequency_penalty": asking({ sampling: { frequency_penalty: 0.5 } }),
  "sampling.seed": asking({ sampling: { seed: "7" } }),
  "sampling.logit_bias": asking({ sampling: { logit_bias: { "50": 1 } } }),
  max_output_tokens: asking({ max_output_tokens: "77" }),
  stop_sequences: asking({ stop_sequences: ["END"] }),
  candidate_count: asking({ candidate_count: 2 }),
  logprobs: asking({ logprobs: true }),
  top_logprobs: asking({ logprobs: true, top_logprobs: 3 }, { logprobs: true }),
  service_tier: asking({ service_tier: "flex" }),
  modalities: asking({ modalities: ["MODALITY_AUDIO"] }),
  "audio.voice": asking({ modalities: ["MODALITY_AUDIO"], audio: { voice: "alloy" } }),
  "audio.format": asking({ modalities: ["MODALITY_AUDIO"], audio: { voice: "alloy", format: "mp3" } }, { modalities: ["MODALITY_AUDIO"], audio: { voice: "alloy" } }),
  end_user: asking({ end_user: "user_1" }),
  metadata: asking({ metadata: { a: "b" } }),
  store: asking({ store: true }),
  verbosity: asking({ verbosity: "low" }),
  prompt_cache_key: asking({ prompt_cache_key: "key" }),
};

/** Fields that ask nothing of a vendor, each with the reason. */
const notForVendors: Readonly<Record<string, string>> = {
  model: "the plan turns it into the model's name at the vendor",
  labels: "for usage reports",
  strict: "how the adapter answers",
  "native.dialect": "sent as it is, in place of types",
  "native.body": "sent as it is, in place of types",
  "native.headers": "sent as it is, in place of types",
  "output_format.text": "what a vendor does unasked",
  "messages.parts.reasoning.is_summary": "says how the text came to be",
};

/** Fields that some vendors need not be told, each with the reason. */
const unasked: readonly { readonly field: string; readonly vendors: "all" | readonly string[]; readonly why: string }[] = [
  { field: "reasoning.adaptive", vendors: "all", why: "models decide how much to reason where nothing is said" },
  { field: "reasoning.include_text", vendors: "all", why: "reasoning comes unasked where it can be had at all" },
  { field: "output_format.json_schema.name", vendors: ["anthropic", "vertex_anthropic", "gemini", "vertex", "cohere", "ollama"], why: "a schema needs no name there, and does nothing with it" },
  { field: "output_format.json_schema.strict", vendors: ["anthropic", "vertex_anthropic", "bedrock", "gemini", "vertex", "cohere", "ollama"], why: "every reply is held to its schema there" },
  { field: "messages.parts.file.citations_enabled", vendors: ["cohere"], why: "it cites all documents" },
  { field: "messages.parts.image.media.media_type", vendors: ["anthropic", "bedrock", "gemini", "ollama", "vertex", "vertex_anthropic"], why: "the bytes say it" },
  { field: "messages.parts.audio.media.media_type", vendors: ["mistral"], why: "the bytes say it" },
];

/** Messages that are looked at as a whole. */
const whole = ["weir.inference.v1.Citation", "weir.inference.v1.NativePart"];

/** The paths of a message's fields; of a message within itself, once. */
function fieldsOf(message: DescMessage, path = "", above: readonly string[] = []): string[] {
  return message.fields.flatMap((field) => {
    const fieldPath = path === "" ? field.name : `${path}.${field.name}`;
    const inner = field.message;
    const isLeaf = inner === undefined || field.fieldKind === "map" || whole.includes(inner.typeName) || above.includes(inner.typeName) || inner.fields.length === 0;
    return isLeaf ? [fieldPath] : fieldsOf(inner, fieldPath, [...above, message.typeName]);
  });
}

/** What an adapter makes of a request: what is sent and what is warned of, or the refusal. */
function madeOf(adapter: VendorAdapter, request: JsonObject): { readonly sent: string; readonly warned: readonly string[] } {
  try {
    const { path, headers, body, warnings } = adapter.generate.buildRequest(fromJson(GenerationSchema, { model: "any", ...request }), modelOf[adapter.vendor] ?? "m", false);
    return { sent: JSON.stringify([path, headers, Buffer.from(body).toString()]), warned: warnings.map(({ field }) => field) };
  } catch (error) {
    if (!(error instanceof GatewayError) || !["UNSUPPORTED_FIELD", "INVALID_REQUEST"].includes(error.reason)) throw error;
    return { sent: `refused: ${error.message}`, warned: [] };
  }
}

/** Models that can reason and look, where an adapter goes by the name. */
const modelOf: Readonly<Record<string, string>> = { anthropic: "claude-opus-4-5", gemini: "gemini-3.1-pro-preview", bedrock: "anthropic.claude-opus-4-5" };

test("every field of the contract has a sample, or a reason for none", () => {
  expect([...Object.keys(samples), ...Object.keys(notForVendors)].sort()).toEqual(fieldsOf(GenerationSchema).sort());
});

describe.each(Object.entries(vendors))("%s", (_, { adapter }) => {
  test.each(Object.entries(samples))("loses no %s in silence", (field, { without, given }) => {
    const before = madeOf(adapter, without);
    const after = madeOf(adapter, given);
    // The warning may be of all that the field stands in, or of what stands beside it.
    const parent = field.slice(0, field.lastIndexOf("."));
    const isWarnedOf = after.warned.map((path) => path.replaceAll(/\[\d*\]/g, "")).some((path) => field.startsWith(path) || (parent !== "" && path.startsWith(parent)));
    const isRefused = after.sent.startsWith("refused");
    const isUnasked = unasked.some((one) => one.field === field && (one.vendors === "all" || one.vendors.includes(adapter.vendor)));
    expect(after.sent !== before.sent || isWarnedOf || isRefused || isUnasked, `${adapter.vendor} ${field} is sent as without it: ${after.sent}; warned of: ${after.warned.join(", ")}`).toBe(true);
  });
});
