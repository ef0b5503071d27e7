import { describe, expect, it } from "vitest";
import { FinishReason } from "#gen/weir/inference/v1/generation_pb.ts";
import { Meter } from "#gen/weir/types/v1/usage_pb.ts";
import { reply, usageMetadata, type ReplyJson } from "./fixtures.ts";
import { geminiVendor } from "./gemini-vendor.ts";
import { openSignature } from "./thought-signatures.ts";
import { readUsage, serviceTierOf } from "./usage.ts";

const read = (json: unknown) => geminiVendor.generate.readReply(Buffer.from(JSON.stringify(json)));
const candidateOf = (json: unknown) => read(json).response.candidates[0]!;
const meters = (metadata: unknown, searches = 0) => Object.fromEntries((readUsage(metadata, searches)?.quantities ?? []).map(({ meter, quantity }) => [nameOf(meter), Number(quantity)]));
const nameOf = (meter: Meter) => Object.entries(Meter).find(([, value]) => value === meter)?.[0];

describe("a whole reply", () => {
  it("has each part in its place, and signatures where they can be found again", () => {
    const { response, summary } = read(reply);
    expect(response).toMatchObject({ id: "resp_1", model: "gemini-3.8-flash" });
    const [candidate] = response.candidates;
    expect(candidate).toMatchObject({ finishReason: FinishReason.TOOL_CALLS, nativeFinishReason: "STOP" });
    const kinds = candidate!.message!.parts.map(({ kind }) => kind);
    expect(kinds.map((kind) => kind.case)).toEqual(["reasoning", "native", "reasoning", "image", "reasoning", "toolCall", "toolCall", "text", "reasoning"]);
    expect(kinds[0]!.value).toMatchObject({ text: "Let me see…", isSummary: true, signature: "" });
    expect(kinds[5]!.value).toMatchObject({ id: "fc_1", name: "paint", arguments: '{"colour":"blau 🎨"}' });
    expect(kinds.flatMap((kind) => (kind.case === "reasoning" && kind.value.signature !== "" ? [openSignature(kind.value.signature)] : []))).toEqual([
      { kind: "media", ordinal: 0, signature: "cGljdHVyZQ==" },
      { kind: "call", ordinal: 0, signature: "Y2FsbA==" },
      { kind: "text", ordinal: 0, signature: "dGV4dA==" },
    ]);
    expect(summary).toMatchObject({ finishReason: "STOP", servedModel: "gemini-3.8-flash", serviceTier: "" });
    expect(geminiVendor.generate.summarizeReply(Buffer.from(JSON.stringify(reply)))).toEqual(summary);
  });

  it("cites in UTF-16 code units", () => {
    const [citation] = candidateOf(reply).message!.parts.flatMap(({ kind }) => (kind.case === "text" ? kind.value.citations : []));
    expect(citation).toMatchObject({ url: "https://sky.example", title: "Sky", startIndex: 0, endIndex: "Der Himmel ist blau 🎨".length });
    expect(citation!.native!.dialect).toBe("gemini");
  });

  it.each([
    ["words elsewhere than the place says", { startIndex: 0, endIndex: 3, text: "blau" }, { startIndex: 15, endIndex: 19 }],
    ["words that are not there", { startIndex: 0, endIndex: 3, text: "grün" }, {}],
    ["a place behind the end", { startIndex: 0, endIndex: 999 }, {}],
  ])("finds what is cited: %s", (_what, segment, expected) => {
    const groundingMetadata = { ...reply.candidates[0]!.groundingMetadata, groundingSupports: [{ segment, groundingChunkIndices: [0, 7] }] };
    const parts = candidateOf({ ...reply, candidates: [{ ...reply.candidates[0], groundingMetadata }] }).message!.parts;
    const citations = parts.flatMap(({ kind }) => (kind.case === "text" ? kind.value.citations : []));
    expect(citations.map(({ startIndex, endIndex }) => JSON.parse(JSON.stringify({ startIndex, endIndex })) as unknown)).toEqual([expected]);
  });

  it("names what was recited, and sources that support no words in particular", () => {
    const citationMetadata = { citations: [{ startIndex: 2, endIndex: 3, uri: "https://a.example", license: "MIT" }] };
    const groundingMetadata = { groundingChunks: [{ retrievedContext: { uri: "gs://b", title: "B", text: "words" } }] };
    const { message } = candidateOf({ candidates: [{ content: { parts: [{ text: "äb" }] }, finishReason: "STOP", citationMetadata, groundingMetadata }] });
    expect(message!.parts[0]!.kind.value).toMatchObject({ text: "äb", citations: [{ url: "gs://b", title: "B", citedText: "words" }, { url: "https://a.example", startIndex: 1, endIndex: 2 }] });
  });

  it("has log-probabilities with their alternatives", () => {
    const logprobsResult = { chosenCandidates: [{ token: "a", logProbability: -0.5 }], topCandidates: [{ candidates: [{ token: "a", logProbability: -0.5 }, { token: "b", logProbability: -1 }] }] };
    const { logprobs } = candidateOf({ candidates: [{ content: { parts: [{ text: "a" }] }, finishReason: "STOP", logprobsResult }] });
    expect(logprobs).toMatchObject([{ token: "a", logprob: -0.5, top: [{ token: "a" }, { token: "b", logprob: -1 }] }]);
  });

  it("gives a call an id where Gemini gives none, and keeps every digit of its arguments", () => {
    const body = '{"responseId":"r","candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":{"n":12345678901234567890}}},{"functionCall":{"name":"g"}}]},"finishReason":"STOP"}]}';
    const { response } = geminiVendor.generate.readReply(Buffer.from(body));
    expect(response.candidates[0]!.message!.parts.map(({ kind }) => kind.value)).toMatchObject([
      { id: "call_r_0_0", name: "f", arguments: '{"n":12345678901234567890}' },
      { id: "call_r_0_1", name: "g", arguments: "{}" },
    ]);
  });

  it.each([
    ["STOP", FinishReason.STOP],
    ["MAX_TOKENS", FinishReason.LENGTH],
    ["SAFETY", FinishReason.CONTENT_FILTER],
    ["RECITATION", FinishReason.CONTENT_FILTER],
    ["PROHIBITED_CONTENT", FinishReason.CONTENT_FILTER],
    ["MALFORMED_FUNCTION_CALL", FinishReason.OTHER],
    ["OF_TOMORROW", FinishReason.OTHER],
  ])("ends by %s", (finishReason, expected) => {
    expect(candidateOf({ candidates: [{ content: { role: "model" }, finishReason }] })).toMatchObject({ finishReason: expected, nativeFinishReason: finishReason, message: { parts: [] } });
  });

  it("says that a prompt was blocked", () => {
    const blocked = { promptFeedback: { blockReason: "SAFETY" }, usageMetadata: { promptTokenCount: 4, totalTokenCount: 4 } } satisfies ReplyJson;
    expect(candidateOf(blocked)).toMatchObject({ finishReason: FinishReason.CONTENT_FILTER, nativeFinishReason: "SAFETY" });
    expect(read(blocked).summary).toMatchObject({ finishReason: "SAFETY" });
  });

  it.each(["{", "[]", "null", "{}", '{"candidates":[]}'])("is refused as unreadable: %s", (body) => {
    expect(() => geminiVendor.generate.readReply(Buffer.from(body))).toThrow(expect.objectContaining({ reason: "UPSTREAM_PROTOCOL" }));
  });
});

describe("usage", () => {
  it("stands under one meter each", () => {
    expect(meters(usageMetadata, 2)).toEqual({ INPUT_TOKENS: 100 - 30 - 15 + 7, CACHED_INPUT_TOKENS: 30, AUDIO_INPUT_TOKENS: 15, OUTPUT_TOKENS: 50, REASONING_OUTPUT_TOKENS: 20, WEB_SEARCHES: 2 });
    expect(read(reply).summary.usage!.quantities.find(({ meter }) => meter === Meter.WEB_SEARCHES)).toMatchObject({ quantity: 2n });
  });

  it.each([
    ["thoughts inside the output", { promptTokenCount: 10, candidatesTokenCount: 30, thoughtsTokenCount: 20, totalTokenCount: 40 }, { INPUT_TOKENS: 10, OUTPUT_TOKENS: 10, REASONING_OUTPUT_TOKENS: 20 }],
    ["thoughts beside the output", { promptTokenCount: 10, candidatesTokenCount: 30, thoughtsTokenCount: 20, totalTokenCount: 60 }, { INPUT_TOKENS: 10, OUTPUT_TOKENS: 30, REASONING_OUTPUT_TOKENS: 20 }],
    ["nothing but thoughts", { promptTokenCount: 10, thoughtsTokenCount: 20, totalTokenCount: 30 }, { INPUT_TOKENS: 10, OUTPUT_TOKENS: 0, REASONING_OUTPUT_TOKENS: 20 }],
    ["an image", { promptTokenCount: 1, candidatesTokenCount: 1300, totalTokenCount: 1301, candidatesTokensDetails: [{ modality: "IMAGE", tokenCount: 1290 }] }, { INPUT_TOKENS: 1, OUTPUT_TOKENS: 10, IMAGE_OUTPUT_TOKENS: 1290 }],
    ["speech", { promptTokenCount: 1, candidatesTokenCount: 9, totalTokenCount: 10, candidatesTokensDetails: [{ modality: "AUDIO", tokenCount: 9 }] }, { INPUT_TOKENS: 1, OUTPUT_TOKENS: 0, AUDIO_OUTPUT_TOKENS: 9 }],
    ["more from the cache than there was", { promptTokenCount: 5, cachedContentTokenCount: 9, candidatesTokenCount: 1 }, { INPUT_TOKENS: 0, CACHED_INPUT_TOKENS: 5, OUTPUT_TOKENS: 1 }],
    ["nothing", {}, {}],
  ])("is split: %s", (_what, metadata, expected) => {
    expect(meters(metadata)).toEqual(expected);
  });

  it("names the tier", () => {
    expect([{ trafficType: "ON_DEMAND" }, { trafficType: "ON_DEMAND_FLEX" }, { serviceTier: "PRIORITY" }, {}].map(serviceTierOf)).toEqual(["standard", "flex", "priority", ""]);
  });
});
