/** Proves that the way through types loses nothing that types know: what OpenAI's callers send is what OpenAI gets, and back. */
import fc from "fast-check";
import OpenAI from "openai";
import type { ChatCompletion, ChatCompletionChunk, ChatCompletionCreateParamsNonStreaming } from "openai/resources/chat/completions";
import { expect, test } from "vitest";
import { SseSplitter } from "#platform/formats/sse.ts";
import { openaiVendor } from "../../services/providers/edge/openai/openai-vendor.ts";
import { chatCompletionsEndpoint as endpoint } from "../../services/routing/edge/openai/chat/chat-completions.ts";

type Request = ChatCompletionCreateParamsNonStreaming;

/** What the vendor gets of what the caller sent. */
function throughTypes(request: Request): { readonly json: unknown; readonly lost: readonly string[] } {
  const call = endpoint.read(JSON.parse(JSON.stringify(request)) as never);
  const { body, warnings } = openaiVendor.generate.buildRequest(call.toGeneration(), request.model, false);
  return { json: JSON.parse(Buffer.from(body).toString()), lost: [...call.unknownFields, ...warnings.map(({ field }) => field)] };
}

const word = fc.string({ minLength: 1, maxLength: 12 });
const base64 = fc.uint8Array({ minLength: 1, maxLength: 12 }).map((bytes) => Buffer.from(bytes).toString("base64"));
const schema = fc.constantFrom<Record<string, unknown>>({ type: "object" }, { type: "object", properties: { a: { type: "string" } }, required: ["a"] });
const optional = <Value>(arbitrary: fc.Arbitrary<Value>, name: string) => fc.option(arbitrary, { nil: undefined }).map((value) => (value === undefined ? {} : { [name]: value }));

const textPart = word.map((text) => ({ type: "text" as const, text }));
const imagePart = fc.tuple(fc.oneof(fc.webUrl(), base64.map((data) => `data:image/png;base64,${data}`)), optional(fc.constantFrom("auto", "low", "high"), "detail")).map(([url, detail]) => ({ type: "image_url" as const, image_url: { url, ...detail } }));
const audioPart = fc.record({ data: base64, format: fc.constantFrom("wav" as const, "mp3" as const) }).map((input_audio) => ({ type: "input_audio" as const, input_audio }));
const filePart = fc
  .oneof(
    word.map((file_id) => ({ file_id })),
    fc.tuple(base64, word).map(([data, filename]) => ({ file_data: `data:application/pdf;base64,${data}`, filename })),
  )
  .map((file) => ({ type: "file" as const, file }));
/** A single text part is not among them: it comes back as the plain string that means the same. */
const userContent = fc.oneof(
  word,
  fc.array(fc.oneof(textPart, imagePart, audioPart, filePart), { minLength: 2, maxLength: 4 }),
);

const toolCall = fc.oneof(
  fc.record({ id: word, name: word, arguments: fc.json() }).map(({ id, ...called }) => ({ id, type: "function" as const, function: called })),
  fc.record({ id: word, name: word, input: word }).map(({ id, ...custom }) => ({ id, type: "custom" as const, custom })),
);

const message = fc.oneof(
  fc.tuple(fc.constantFrom("system" as const, "developer" as const), word).map(([role, content]) => ({ role, content })),
  fc.tuple(userContent, optional(word, "name")).map(([content, name]) => ({ role: "user" as const, content, ...name })),
  fc.tuple(word, optional(word, "refusal"), optional(fc.array(toolCall, { minLength: 1, maxLength: 3 }), "tool_calls")).map(([content, refusal, calls]) => ({ role: "assistant" as const, content, ...refusal, ...calls })),
  fc.array(toolCall, { minLength: 1, maxLength: 3 }).map((tool_calls) => ({ role: "assistant" as const, content: null, tool_calls })),
  fc.record({ tool_call_id: word, content: word }).map((result) => ({ role: "tool" as const, ...result })),
);

const tools = fc.tuple(optional(word, "description"), optional(schema, "parameters"), optional(fc.boolean(), "strict"), optional(word, "description")).map(([description, parameters, strict, about]) => [
  { type: "function" as const, function: { name: "f", ...description, ...parameters, ...strict } },
  { type: "custom" as const, custom: { name: "g", ...about, format: { type: "grammar" as const, grammar: { syntax: "regex" as const, definition: "a+" } } } },
]);
const toolChoice = fc.constantFrom("auto", "none", "required", { type: "function", function: { name: "f" } }, { type: "custom", custom: { name: "g" } });
const responseFormat = fc.oneof(
  fc.constantFrom({ type: "text" }, { type: "json_object" }),
  fc.tuple(schema, optional(fc.boolean(), "strict"), optional(word, "description")).map(([json, strict, description]) => ({ type: "json_schema", json_schema: { name: "answer", schema: json, ...strict, ...description } })),
);
const penalty = fc.double({ min: -2, max: 2, noNaN: true }).map((value) => value || 0);
const textMap = fc.dictionary(fc.stringMatching(/^[a-z]{1,6}$/), word, { minKeys: 1, maxKeys: 3 });

const options = [
  optional(fc.double({ min: 0, max: 2, noNaN: true }), "temperature"),
  optional(fc.double({ min: 0, max: 1, noNaN: true }), "top_p"),
  optional(penalty, "presence_penalty"),
  optional(penalty, "frequency_penalty"),
  optional(fc.maxSafeInteger(), "seed"),
  optional(fc.dictionary(fc.stringMatching(/^[1-9][0-9]{0,4}$/), fc.integer({ min: -100, max: 100 }), { minKeys: 1, maxKeys: 3 }), "logit_bias"),
  optional(fc.integer({ min: 1, max: 100_000 }), "max_completion_tokens"),
  optional(fc.array(word, { minLength: 1, maxLength: 4 }), "stop"),
  optional(fc.integer({ min: 1, max: 128 }), "n"),
  optional(fc.constant(true), "logprobs"),
  optional(fc.integer({ min: 0, max: 20 }), "top_logprobs"),
  optional(fc.constantFrom("auto", "default", "flex", "priority"), "service_tier"),
  optional(fc.constant(["text", "audio"]), "modalities"),
  optional(fc.constantFrom({ voice: "alloy", format: "mp3" }, { voice: { id: "voice_1" }, format: "wav" }), "audio"),
  optional(word, "safety_identifier"),
  optional(textMap, "metadata"),
  optional(fc.boolean(), "store"),
  optional(fc.constantFrom("low", "medium", "high"), "verbosity"),
  optional(word, "prompt_cache_key"),
  optional(fc.constantFrom("none", "minimal", "low", "medium", "high", "xhigh", "max"), "reasoning_effort"),
  optional(responseFormat, "response_format"),
  fc.oneof(fc.constant({}), fc.tuple(tools, optional(toolChoice, "tool_choice"), optional(fc.boolean(), "parallel_tool_calls")).map(([list, ...members]) => Object.assign({ tools: list }, ...members) as object)),
];

const request = fc.tuple(fc.array(message, { minLength: 1, maxLength: 5 }), ...options).map(([messages, ...members]) => Object.assign({ model: "gpt-x", messages }, ...members) as Request);

test("a request comes out as it went in", () => {
  fc.assert(
    fc.property(request, (sent) => {
      expect(throughTypes(sent)).toEqual({ json: sent, lost: [] });
    }),
    { numRuns: 200 },
  );
});

const citation = { type: "url_citation", url_citation: { start_index: 0, end_index: 1, title: "T", url: "https://a" } } as const;
const token = { token: "A", logprob: -0.5, bytes: [65], top_logprobs: [{ token: "B", logprob: -2, bytes: null }] };

const choice = fc
  .record({
    content: fc.option(word, { nil: null }),
    refusal: fc.option(word, { nil: null }),
    calls: fc.array(toolCall, { maxLength: 3 }),
    cited: fc.boolean(),
    finish: fc.constantFrom("stop" as const, "length" as const, "content_filter" as const),
  })
  .map(({ content, refusal, calls, cited, finish }) => ({
    finish_reason: calls.length > 0 ? ("tool_calls" as const) : finish,
    logprobs: content === null ? null : { content: [token], refusal: null },
    message: { role: "assistant" as const, content, refusal, annotations: cited && content !== null ? [citation] : [], ...(calls.length > 0 ? { tool_calls: calls } : {}) },
  }));

const usage = fc
  .tuple(fc.nat(1_000), fc.nat(1_000), fc.nat(1_000), fc.nat(1_000), fc.nat(1_000), fc.nat(1_000))
  .map(([input, cached, audio, output, reasoning, spoken]) => ({
    prompt_tokens: input + cached + audio,
    completion_tokens: output + reasoning + spoken,
    total_tokens: input + cached + audio + output + reasoning + spoken,
    prompt_tokens_details: { cached_tokens: cached, audio_tokens: audio },
    completion_tokens_details: { reasoning_tokens: reasoning, audio_tokens: spoken, accepted_prediction_tokens: 0, rejected_prediction_tokens: 0 },
  }));

const reply = fc.tuple(fc.array(choice, { minLength: 1, maxLength: 3 }), usage, optional(fc.constantFrom("default", "flex"), "service_tier")).map(
  ([choices, counted, tier]): ChatCompletion => ({
    id: "chatcmpl-1",
    object: "chat.completion",
    created: 1_700_000_000,
    model: "gpt-x",
    choices: choices.map((one, index) => ({ ...one, index })),
    usage: counted,
    ...tier,
  }),
);

test("a reply comes out as it went in", () => {
  const call = endpoint.read({ model: "m" });
  fc.assert(
    fc.property(reply, (sent) => {
      const { response } = openaiVendor.generate.readReply(Buffer.from(JSON.stringify(sent)));
      expect(JSON.parse(JSON.stringify(call.writeReply(response)))).toEqual(sent);
    }),
    { numRuns: 200 },
  );
});

const reasoningDetails = [
  { type: "reasoning.text", text: "hm", signature: "sig", index: 0 },
  { type: "reasoning.encrypted", data: "xyz", index: 1 },
  { type: "reasoning.summary", summary: "short", index: 2 },
];

test("reasoning comes back from the caller with its signatures, whole or in the pieces of a stream", () => {
  const message = { role: "assistant", content: "A", reasoning_content: "hmshort", reasoning_details: reasoningDetails };
  const { response } = openaiVendor.generate.readReply(Buffer.from(JSON.stringify({ id: "x", choices: [{ index: 0, message, finish_reason: "stop" }] })));
  const parts = response.candidates[0]!.message!.parts;
  const written = endpoint.read({ model: "m" }).writeReply(response) as { choices: { message: object }[] };
  const back = endpoint.read({ model: "m", messages: [written.choices[0]!.message] });
  expect(back.toGeneration().messages[0]!.parts).toEqual(parts);
  expect(back.unknownFields).toEqual([]);

  const pieces = [{ type: "reasoning.text", text: "h", index: 0 }, { type: "reasoning.text", text: "m", index: 0 }, { type: "reasoning.text", text: "", signature: "sig", index: 0 }, ...reasoningDetails.slice(1)];
  const streamed = endpoint.read({ model: "m", messages: [{ ...message, reasoning_details: pieces }] });
  expect(streamed.toGeneration().messages[0]!.parts).toEqual(parts);
});

test("a stream means to the official client what it meant before", async () => {
  const head = { id: "chatcmpl-1", object: "chat.completion.chunk", created: 1_700_000_000, model: "gpt-x" } as const;
  const chunk = (delta: ChatCompletionChunk.Choice.Delta, finish_reason: ChatCompletionChunk.Choice["finish_reason"] = null, index = 0): ChatCompletionChunk => ({ ...head, choices: [{ index, delta, finish_reason, logprobs: null }] });
  const chunks = [
    chunk({ role: "assistant", content: "", refusal: null }),
    chunk({ role: "assistant", content: "", refusal: null }, null, 1),
    chunk({ content: "Wait" }),
    chunk({ content: "Other" }, null, 1),
    chunk({ tool_calls: [{ index: 0, id: "a", type: "function", function: { name: "f", arguments: "" } }] }),
    chunk({ tool_calls: [{ index: 1, id: "b", type: "function", function: { name: "g", arguments: "{" } }] }),
    chunk({ tool_calls: [{ index: 1, function: { arguments: "}" } }, { index: 0, function: { arguments: '{"a":1}' } }] }),
    chunk({}, "tool_calls"),
    chunk({}, "length", 1),
    { ...head, choices: [], usage: { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15, prompt_tokens_details: { cached_tokens: 4, audio_tokens: 0 }, completion_tokens_details: { reasoning_tokens: 2, audio_tokens: 0, accepted_prediction_tokens: 0, rejected_prediction_tokens: 0 } } },
  ] satisfies ChatCompletionChunk[];
  const stream = chunks.map((one) => `data: ${JSON.stringify(one)}\n\n`).join("") + "data: [DONE]\n\n";

  const reader = openaiVendor.generate.createStreamReader({ path: "", headers: {}, body: new Uint8Array(), warnings: [], withholdUsage: false });
  const writer = endpoint.read({ model: "m", stream: true, stream_options: { include_usage: true } }).createStreamWriter();
  const translated = new SseSplitter().push(Buffer.from(stream)).map((event) => writer.write(reader.read(event).toEvents())).join("");
  expect(await collect(translated)).toEqual(await collect(stream));
});

async function collect(stream: string): Promise<ChatCompletion> {
  const client = new OpenAI({ apiKey: "key", fetch: () => Promise.resolve(new Response(stream, { headers: { "content-type": "text/event-stream" } })) });
  return client.chat.completions.stream({ model: "m", messages: [], stream_options: { include_usage: true } }).finalChatCompletion();
}
