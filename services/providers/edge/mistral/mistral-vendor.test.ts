/** Owns the proof that Mistral gets what it takes; its replies are those of https://docs.mistral.ai/inference/conversations/reasoning. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import { Role } from "#gen/weir/inference/v1/content_pb.ts";
import { FinishReason, Modality, ToolChoice_Mode } from "#gen/weir/inference/v1/generation_pb.ts";
import { EmbedRequestSchema, GenerationSchema, type StreamGenerateResponse } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { Meter } from "#gen/weir/types/v1/usage_pb.ts";
import { SseSplitter } from "#platform/formats/sse.ts";
import { mistralVendor } from "./mistral-vendor.ts";

type GenerationInit = Partial<MessageInitShape<typeof GenerationSchema>>;
type MessageInit = NonNullable<GenerationInit["messages"]>[number];
type Json = { readonly [name: string]: unknown };

const text = (value: string) => ({ kind: { case: "text", value: { text: value } } }) as const;
const user = { role: Role.USER, parts: [text("Hi")] };

function build(init: GenerationInit, stream: boolean) {
  const request = mistralVendor.generate.buildRequest(create(GenerationSchema, { model: "route", messages: [user], ...init } as MessageInitShape<typeof GenerationSchema>), "mistral-small-latest", stream);
  return { json: JSON.parse(Buffer.from(request.body).toString()) as Json, fields: request.warnings.map(({ field }) => field) };
}

/** All members that ChatCompletionRequest of https://github.com/mistralai/client-python has; every other one is refused. */
const known = new Set([
  "model", "messages", "temperature", "top_p", "max_tokens", "stream", "stop", "random_seed", "metadata", "response_format", "tools", "tool_choice", "presence_penalty",
  "frequency_penalty", "n", "prediction", "parallel_tool_calls", "reasoning_effort", "prompt_mode", "guardrails", "prompt_cache_key", "safe_prompt",
]);

describe("the request for Mistral", () => {
  it("holds no member that Mistral refuses, whatever is asked for, and says what it left out", () => {
    const { json, fields } = build(
      {
        tools: [{ kind: { case: "function", value: { name: "f" } } }, { kind: { case: "custom", value: { name: "g" } } }],
        toolChoice: { mode: ToolChoice_Mode.REQUIRED },
        parallelToolCalls: false,
        outputFormat: { kind: { case: "jsonObject", value: {} } },
        reasoning: { effort: 7 },
        sampling: { temperature: 0.5, topP: 0.5, topK: 5n, presencePenalty: 1, frequencyPenalty: 1, seed: 7n, logitBias: { "1": 1 } },
        maxOutputTokens: 9n,
        stopSequences: ["a"],
        candidateCount: 2,
        logprobs: true,
        topLogprobs: 2,
        serviceTier: "flex",
        modalities: [Modality.TEXT],
        audio: { voice: "a" },
        endUser: "u",
        metadata: { a: "b" },
        store: true,
        verbosity: "low",
        promptCacheKey: "k",
      },
      true,
    );
    expect(Object.keys(json).filter((member) => !known.has(member))).toEqual([]);
    expect(json).toMatchObject({ max_tokens: 9, random_seed: 7, tool_choice: "any", reasoning_effort: "xhigh", stream: true, n: 2, prompt_cache_key: "k" });
    expect(fields.toSorted()).toEqual(["audio", "end_user", "logprobs", "modalities", "reasoning.effort", "sampling.logit_bias", "sampling.top_k", "service_tier", "store", "tools.custom", "top_logprobs", "verbosity"]);
  });

  it("goes on with a conversation that another vendor began", () => {
    const messages: GenerationInit["messages"] = [
      { role: Role.DEVELOPER, parts: [text("be brief")] },
      { ...user, name: "Ann" },
      { role: Role.ASSISTANT, parts: [{ kind: { case: "reasoning", value: { text: "hm" } } }, text("Wait."), { kind: { case: "toolCall", value: { id: "call_abcdefghijklmnop", name: "f", arguments: "{}" } } }] },
      { role: Role.TOOL, parts: [{ kind: { case: "toolResult", value: { toolCallId: "call_abcdefghijklmnop", parts: [text("1")] } } }] },
      { role: Role.ASSISTANT, parts: [text("So")] },
    ];
    const { json } = build({ messages }, false);
    const id = (json["messages"] as { tool_call_id?: string }[])[3]!.tool_call_id;
    expect(id).toMatch(/^[a-zA-Z0-9]{9}$/);
    expect(json["messages"]).toEqual([
      { role: "system", content: "be brief" },
      { role: "user", content: "Hi" },
      {
        role: "assistant",
        content: [{ type: "thinking", thinking: [{ type: "text", text: "hm" }], closed: true }, { type: "text", text: "Wait." }],
        tool_calls: [{ id, type: "function", function: { name: "f", arguments: "{}" } }],
      },
      { role: "tool", tool_call_id: id, content: "1" },
      { role: "assistant", content: "So", prefix: true },
    ]);
  });

  it("holds no instructions behind a reply, and says that they were moved", () => {
    const call = { kind: { case: "toolCall", value: { id: "aB3dE6gH9", name: "f", arguments: "{}" } } } as const;
    const messages: MessageInit[] = [
      { role: Role.SYSTEM, parts: [text("first")] },
      user,
      { role: Role.SYSTEM, parts: [text("behind a question")] },
      { role: Role.ASSISTANT, parts: [call] },
      { role: Role.TOOL, parts: [{ kind: { case: "toolResult", value: { toolCallId: "aB3dE6gH9", parts: [text("1")] } } }] },
      { role: Role.DEVELOPER, parts: [text("behind a result")] },
      { role: Role.ASSISTANT, parts: [text("Hm.")] },
      { role: Role.SYSTEM, parts: [text("behind a reply")] },
      user,
    ];
    const { json, fields } = build({ messages }, false);
    expect((json["messages"] as { role: string; content: unknown }[]).map(({ role, content }) => [role, content])).toEqual([
      ["system", "first"],
      ["system", "behind a result"],
      ["system", "behind a reply"],
      ["user", "Hi"],
      ["system", "behind a question"],
      ["assistant", null],
      ["tool", "1"],
      ["assistant", "Hm."],
      ["user", "Hi"],
    ]);
    expect(fields).toEqual(["messages.role"]);
    expect(build({ messages: messages.slice(0, 3) }, false).fields).toEqual([]);
  });

  it("does not go out as bytes of OpenAI's clients", () => {
    expect(mistralVendor.nativeDialects).toEqual([]);
  });
});

const thinking = (...texts: string[]) => ({ type: "thinking", thinking: texts.map((words) => ({ type: "text", text: words })) });
const usage = { prompt_tokens: 10, total_tokens: 56, completion_tokens: 46, prompt_tokens_details: { cached_tokens: 4 } };
const head = { id: "a4e29c5b", object: "chat.completion.chunk", created: 1_769_088_912, model: "magistral-medium-2507" };
const reference = { type: "reference", reference_ids: [1] };

test("sends back its own signatures, and says that it leaves out those of others", () => {
  const thought = (signature: string): MessageInit => ({ role: Role.ASSISTANT, parts: [{ kind: { case: "reasoning", value: { text: "hm", signature } } }, text("Wait.")] });
  const thinking = (signature: string): unknown => {
    const { json, fields } = build({ messages: [user, thought(signature), user] as MessageInit[] }, false);
    return [((json["messages"] as Json[])[1]!["content"] as Json[])[0], fields];
  };
  const unsigned = { type: "thinking", thinking: [{ type: "text", text: "hm" }], closed: true };
  expect(thinking("c2ln")).toEqual([{ ...unsigned, signature: "c2ln" }, []]);
  expect(thinking("gemini::c2ln")).toEqual([unsigned, ["messages.parts.reasoning.signature"]]);
});

test("reads a whole reply with its reasoning", () => {
  const message = { role: "assistant", content: [thinking("The user ", "asks."), { type: "text", text: "4" }, reference], tool_calls: [{ id: "null", function: { name: "f", arguments: { a: 1 } } }] };
  const { response, summary } = mistralVendor.generate.readReply(Buffer.from(JSON.stringify({ ...head, choices: [{ index: 0, finish_reason: "model_length", message }], usage })));
  expect(response.candidates[0]).toMatchObject({ finishReason: FinishReason.LENGTH, nativeFinishReason: "model_length" });
  expect(response.candidates[0]!.message!.parts.map(({ kind }) => kind)).toMatchObject([
    { case: "reasoning", value: { text: "The user asks." } },
    { case: "text", value: { text: "4" } },
    { case: "native", value: { json: new TextEncoder().encode(JSON.stringify(reference)) } },
    { case: "toolCall", value: { id: "call_a4e29c5b_0_0", arguments: '{"a":1}' } },
  ]);
  expect(summary.usage!.quantities.map(({ meter, quantity }) => [meter, quantity])).toEqual([[Meter.INPUT_TOKENS, 6n], [Meter.CACHED_INPUT_TOKENS, 4n], [Meter.OUTPUT_TOKENS, 46n]]);
});

test("reads the same from a stream, however its bytes are cut", () => {
  const delta = (content: unknown, finish_reason: string | null = null) => ({ ...head, choices: [{ index: 0, delta: { role: "assistant", content }, finish_reason }], ...(finish_reason === null ? {} : { usage }) });
  const chunks = [delta([thinking("The user ")]), delta([thinking("asks.")]), delta([{ type: "text", text: "4" }]), delta("!"), delta("", "stop")];
  const bytes = Buffer.from(`${chunks.map((chunk) => `data: ${JSON.stringify(chunk)}\n\n`).join("")}data: [DONE]\n\n`);
  const readAll = (pieces: readonly Uint8Array[]) => {
    const reader = mistralVendor.generate.createStreamReader({ path: "", headers: {}, body: new Uint8Array(), warnings: [], withholdUsage: false });
    const splitter = new SseSplitter();
    const events: StreamGenerateResponse[] = pieces.flatMap((piece) => splitter.push(piece)).flatMap((event) => reader.read(event).toEvents());
    return { events, summary: reader.summary, finished: reader.finished, output: reader.output };
  };
  const expected = readAll([bytes]);
  expect(expected.events.map(({ event: { case: kind, value } }) => (kind === "partStart" ? `+${value.part!.kind.case}` : kind === "partDelta" ? value.delta.value : kind))).toEqual([
    "start", "+reasoning", "The user ", "asks.", "partEnd", "+text", "4", "!", "partEnd", "candidateEnd", "end",
  ]);
  expect(expected).toMatchObject({ finished: true, output: { bytes: 16 }, summary: { finishReason: "stop", servedModel: "magistral-medium-2507" } });
  fc.assert(
    fc.property(fc.array(fc.nat(bytes.length), { maxLength: 30 }), (places) => {
      const edges = [0, ...places.toSorted((left, right) => left - right), bytes.length];
      expect(readAll(edges.slice(1).map((end, index) => bytes.subarray(edges[index], end)))).toEqual(expected);
    }),
    { numRuns: 50 },
  );
});

test("what Mistral refuses is told with its place, and its id is known", () => {
  const body = Buffer.from('{"detail":[{"type":"extra_forbidden","loc":["body","store"],"msg":"Extra inputs are not permitted","input":false}]}');
  expect(mistralVendor.readError({ status: 422, headers: {}, body })).toMatchObject({ reason: "UPSTREAM_REJECTED", message: "body.store: Extra inputs are not permitted" });
  expect(mistralVendor.upstreamRequestId({ "mistral-correlation-id": "019b98cb" })).toBe("019b98cb");
});

test("embeddings", () => {
  const { body, warnings } = mistralVendor.operations.embed!.buildRequest(create(EmbedRequestSchema, { inputs: ["a"], dimensions: 3, endUser: "u" }), "mistral-embed");
  expect(JSON.parse(Buffer.from(body).toString())).toEqual({ model: "mistral-embed", input: ["a"], output_dimension: 3 });
  expect(warnings.map(({ field }) => field)).toEqual(["end_user"]);
});
