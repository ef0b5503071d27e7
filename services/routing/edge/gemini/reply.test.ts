import { create, type MessageInitShape } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { PartSchema, Role, type Part } from "#gen/weir/inference/v1/content_pb.ts";
import { FinishReason } from "#gen/weir/inference/v1/generation_pb.ts";
import { GenerateResponseSchema, StreamGenerateResponseSchema, type StreamGenerateResponse } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { Meter, UsageSource } from "#gen/weir/types/v1/usage_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import type { JsonObject } from "../../domain/dialect.ts";
import { arrayFraming, eventFraming } from "./framing.ts";
import { readGeneration } from "./read-generation.ts";
import { GeminiStreamWriter } from "./stream-writer.ts";
import { writeReply } from "./write-reply.ts";
import { writeSignature } from "./thought-signature.ts";

type PartInit = MessageInitShape<typeof PartSchema>;
type EventInit = Exclude<MessageInitShape<typeof StreamGenerateResponseSchema>, StreamGenerateResponse>["event"];

const usage = {
  source: UsageSource.PROVIDER,
  quantities: [
    [Meter.INPUT_TOKENS, 1n], [Meter.CACHED_INPUT_TOKENS, 10n], [Meter.CACHE_WRITE_5M_INPUT_TOKENS, 100n], [Meter.AUDIO_INPUT_TOKENS, 1_000n],
    [Meter.OUTPUT_TOKENS, 10_000n], [Meter.REASONING_OUTPUT_TOKENS, 100_000n], [Meter.AUDIO_OUTPUT_TOKENS, 1_000_000n],
  ].map(([meter, quantity]) => ({ meter: meter as Meter, quantity: quantity as bigint })),
};
const whole = (parts: PartInit[], ending: object = { finishReason: FinishReason.STOP }) =>
  writeReply(create(GenerateResponseSchema, { id: "r1", model: "m", candidates: [{ message: { role: Role.ASSISTANT, parts }, ...ending }], usage })) as { candidates: { content: { parts: JsonObject[] } }[] };

const event = (init: EventInit): StreamGenerateResponse => create(StreamGenerateResponseSchema, { event: init! });
const start = event({ case: "start", value: { id: "r1", model: "m" } });
const close = [event({ case: "candidateEnd", value: { finishReason: FinishReason.STOP } }), event({ case: "end", value: { usage } })];

/** The events of a reply with these parts, what can grow given one character at a time. */
function eventsOf(parts: readonly Part[]): StreamGenerateResponse[] {
  const grown = parts.flatMap((part, partIndex) => {
    const { kind } = part;
    const pieces = (text: string, kindOfDelta: "text" | "arguments" | "signature") => [...text].map((value) => event({ case: "partDelta", value: { partIndex, delta: { case: kindOfDelta, value } } }));
    const began = (init: PartInit) => event({ case: "partStart", value: { partIndex, part: init } });
    const ended = event({ case: "partEnd", value: { partIndex } });
    if (kind.case === "text") return [began({ kind: { case: "text", value: { text: "", citations: kind.value.citations } } }), ...pieces(kind.value.text, "text"), ended];
    if (kind.case === "toolCall") return [began({ kind: { case: "toolCall", value: { ...kind.value, arguments: "" } } }), ...pieces(kind.value.arguments, "arguments"), ended];
    if (kind.case === "reasoning" && kind.value.redactedData === "") return [began({ kind: { case: "reasoning", value: {} } }), ...pieces(kind.value.text, "text"), ...pieces(kind.value.signature, "signature"), ended];
    return [began(part), ended];
  });
  return [start, ...grown, ...close];
}

const piecesOf = (stream: string): { candidates: { content: { parts: JsonObject[] }; finishReason?: string; groundingMetadata?: JsonObject }[]; usageMetadata?: JsonObject }[] =>
  stream.split("\r\n\r\n").filter((text) => text !== "").map((text) => JSON.parse(text.replace(/^data: /, "")) as never);
const streamed = (parts: readonly Part[]) => piecesOf(new GeminiStreamWriter(eventFraming()).write(eventsOf(parts)));
const readBack = (parts: JsonObject[][]) => readGeneration({ contents: parts.map((one) => ({ role: "model", parts: one })) }, "m").generation.messages.flatMap((message) => message.parts.map(({ kind }) => kind));

test("writes candidates, usage and identity", () => {
  expect(whole([{ kind: { case: "text", value: { text: "Hi" } } }])).toEqual({
    candidates: [{ content: { parts: [{ text: "Hi" }], role: "model" }, finishReason: "STOP", index: 0 }],
    usageMetadata: {
      promptTokenCount: 1_111, candidatesTokenCount: 1_010_000, thoughtsTokenCount: 100_000, totalTokenCount: 1_111_111, cachedContentTokenCount: 10,
      promptTokensDetails: [{ modality: "AUDIO", tokenCount: 1_000 }], candidatesTokensDetails: [{ modality: "AUDIO", tokenCount: 1_000_000 }],
    },
    modelVersion: "m",
    responseId: "r1",
  });
  expect(writeReply(create(GenerateResponseSchema, { requestId: "req_1" }))).toEqual({ candidates: [], modelVersion: "", responseId: "req_1" });
});

test.each([
  [FinishReason.TOOL_CALLS, "tool_calls", { finishReason: "STOP" }],
  [FinishReason.LENGTH, "max_tokens", { finishReason: "MAX_TOKENS" }],
  [FinishReason.CONTENT_FILTER, "RECITATION", { finishReason: "RECITATION" }],
  [FinishReason.CONTENT_FILTER, "content_filter", { finishReason: "SAFETY" }],
  [FinishReason.REFUSAL, "refusal", { finishReason: "SAFETY", finishMessage: `The model's vendor calls it "refusal".` }],
  [FinishReason.PAUSE, "pause_turn", { finishReason: "OTHER", finishMessage: `The model's vendor calls it "pause_turn".` }],
])("finish %s (%s)", (finishReason, nativeFinishReason, expected) => {
  expect(whole([], { finishReason, nativeFinishReason }).candidates[0]).toMatchObject(expected);
});

test("writes citations as grounding, counted in bytes", () => {
  const citations = [{ url: "https://a", title: "A", startIndex: 1, endIndex: 3 }, { title: "Doc", citedText: "words", documentIndex: 0 }];
  const parts = [create(PartSchema, { kind: { case: "text", value: { text: "äöü" , citations } } })];
  const grounding = {
    groundingChunks: [{ web: { uri: "https://a", title: "A" } }, { retrievedContext: { title: "Doc", text: "words" } }],
    groundingSupports: [{ segment: { startIndex: 2, endIndex: 6, text: "öü" }, groundingChunkIndices: [0] }, { segment: { startIndex: 0, endIndex: 6, text: "äöü" }, groundingChunkIndices: [1] }],
  };
  expect(whole(parts).candidates[0]).toHaveProperty("groundingMetadata", grounding);
  expect(streamed(parts).at(-1)!.candidates[0]!.groundingMetadata).toEqual(grounding);
});

test("writes probabilities", () => {
  const logprobs = [{ token: "a", logprob: -1, top: [{ token: "b", logprob: -2 }] }, { token: "c", logprob: -3 }];
  expect(whole([], { logprobs }).candidates[0]).toMatchObject({
    avgLogprobs: -2,
    logprobsResult: { chosenCandidates: [{ token: "a", logProbability: -1 }, { token: "c", logProbability: -3 }], topCandidates: [{ candidates: [{ token: "b", logProbability: -2 }] }, { candidates: [] }] },
  });
});

describe("what the caller sends back is what the model said", () => {
  const word = fc.string({ minLength: 1, maxLength: 8 });
  const base64 = fc.uint8Array({ minLength: 1, maxLength: 6 }).map((bytes) => Buffer.from(bytes).toString("base64"));
  const bytes = fc.uint8Array({ minLength: 1, maxLength: 6 }).map((value) => Buffer.from(value));
  const part = fc.oneof(
    word.map((text): PartInit => ({ kind: { case: "text", value: { text } } })),
    fc.record({ text: word, signature: base64 }).map((value): PartInit => ({ kind: { case: "reasoning", value } })),
    base64.map((redactedData): PartInit => ({ kind: { case: "reasoning", value: { redactedData } } })),
    fc.record({ id: word, name: word, arguments: fc.dictionary(word.filter((name) => name !== "__proto__"), fc.integer(), { maxKeys: 2 }).map((value) => JSON.stringify(value)) }).map((value): PartInit => ({ kind: { case: "toolCall", value } })),
    fc.constant<PartInit>({ kind: { case: "native", value: { dialect: "anthropic", json: Buffer.from('{"type":"server_tool_use"}') } } }),
    bytes.map((value): PartInit => ({ kind: { case: "image", value: { media: { source: { case: "data", value }, mediaType: "image/png" } } } })),
  );
  // A signature alone stands on the part behind it, which is none of another signature's.
  const signed = fc.record({ signature: base64, text: word }).map(({ signature, text }): PartInit[] => [{ kind: { case: "reasoning", value: { signature } } }, { kind: { case: "text", value: { text } } }]);
  const reply = fc.array(fc.oneof(part.map((one) => [one]), signed), { maxLength: 5 }).map((groups) => groups.flat().map((init) => create(PartSchema, init)))
    // Neighbouring texts are one for Gemini's callers.
    .filter((parts) => parts.every(({ kind }, index) => kind.case !== "text" || parts[index - 1]?.kind.case !== "text"));

  test("of a whole reply", () => {
    fc.assert(
      fc.property(reply, (parts) => {
        expect(readBack([whole(parts).candidates[0]!.content.parts])).toEqual(parts.map(({ kind }) => kind));
      }),
    );
  });

  test("of a stream", () => {
    fc.assert(
      fc.property(reply, (parts) => {
        expect(readBack(streamed(parts).map(({ candidates }) => candidates[0]!.content.parts))).toEqual(parts.map(({ kind }) => kind));
      }),
    );
  });
});

test("a stream ends with one piece that has the finish and the usage", () => {
  const pieces = streamed([create(PartSchema, { kind: { case: "text", value: { text: "ab" } } })]);
  expect(pieces.map(({ candidates, usageMetadata }) => [candidates[0]!.content.parts, candidates[0]!.finishReason, usageMetadata !== undefined])).toEqual([
    [[{ text: "a" }], undefined, false],
    [[{ text: "b" }], undefined, false],
    [[{ text: "" }], "STOP", true],
  ]);
});

test("candidates and calls that grow at the same time are kept apart", () => {
  const call = (partIndex: number, name: string) => event({ case: "partStart", value: { partIndex, part: { kind: { case: "toolCall", value: { id: name, name } } } } });
  const text = (candidateIndex: number, value: string) => event({ case: "partDelta", value: { candidateIndex, partIndex: 0, delta: { case: "text", value } } });
  const grow = (partIndex: number, value: string) => event({ case: "partDelta", value: { partIndex, delta: { case: "arguments", value } } });
  const begin = (candidateIndex: number) => event({ case: "partStart", value: { candidateIndex, partIndex: 0, part: { kind: { case: "text", value: {} } } } });
  const end = (candidateIndex: number) => event({ case: "candidateEnd", value: { candidateIndex, finishReason: FinishReason.STOP } });
  const pieces = piecesOf(new GeminiStreamWriter(eventFraming()).write([start, begin(0), begin(1), text(1, "one"), text(0, "zero"), call(1, "f"), call(2, "g"), grow(2, '{"b":'), grow(1, '{"a":1}'), grow(2, "2}"), end(0), end(1), close[1]!]));
  const parts = pieces.flatMap(({ candidates }) => candidates.map((candidate) => [(candidate as unknown as { index: number }).index, ...candidate.content.parts]));
  expect(parts).toEqual([
    [1, { text: "one" }],
    [0, { text: "zero" }],
    [0, { functionCall: { id: "f", name: "f", args: { a: 1 } }, thoughtSignature: writeSignature("") }],
    [0, { functionCall: { id: "g", name: "g", args: { b: 2 } }, thoughtSignature: writeSignature("") }],
    [0, { text: "" }],
    [1, { text: "" }],
  ]);
});

describe("the array", () => {
  const events = Buffer.from('data: {"a":"ä"}\r\n\r\n: comment\n\ndata: {"b":2}\n\ndata: {"c":3}');

  test("is the same however a vendor's own stream is cut", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: events.length })), (cuts) => {
        const framing = arrayFraming();
        const places = [0, ...cuts.toSorted((left, right) => left - right), events.length];
        const pieces = places.slice(1).map((place, index) => framing.relay(events.subarray(places[index], place)));
        expect(JSON.parse(pieces.join("") + framing.end())).toEqual([{ a: "ä" }, { b: 2 }, { c: 3 }]);
      }),
    );
  });

  test("is closed behind an error, and when nothing came", () => {
    const writer = new GeminiStreamWriter(arrayFraming());
    const opened = writer.write([start, ...close]);
    expect(JSON.parse(opened + writer.writeError(new GatewayError("UPSTREAM_INTERRUPTED", "Cut."), "req_1"))).toMatchObject([{}, { error: { code: 502, status: "UNAVAILABLE", message: "Cut." } }]);
    expect(JSON.parse(arrayFraming().end())).toEqual([]);
    const cut = new GeminiStreamWriter(arrayFraming());
    const relayed = String(cut.relay(Buffer.from('data: {"a":1}\n\ndata: {"b"')));
    expect(JSON.parse(relayed + cut.writeError(new GatewayError("UPSTREAM_INTERRUPTED", "Cut."), "req_1"))).toMatchObject([{ a: 1 }, { error: { message: "Cut." } }]);
  });
});
