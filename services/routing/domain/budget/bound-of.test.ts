import { create, type MessageInitShape } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { CacheMarker_Lifetime, Role } from "#gen/weir/inference/v1/content_pb.ts";
import { EmbedRequestSchema, GenerationSchema, ModelFactsSchema, type ModelFacts } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { RerankRequestSchema } from "#gen/weir/inference/v1/rerank_pb.ts";
import { ProviderSchema } from "#gen/weir/providers/v1/providers_service_pb.ts";
import { Meter } from "#gen/weir/types/v1/usage_pb.ts";
import type { Target } from "../targets/plan.ts";
import type { Bound } from "./bound.ts";
import { boundOfGeneration, boundOfRelay, boundOfUnary } from "./bound-of.ts";
import { extentOf, furtherUnknownFields, nothingUntranslated, type Untranslated } from "./generation-extent.ts";

type GenerationInit = Partial<MessageInitShape<typeof GenerationSchema>>;

const unlimited = expect.objectContaining({ reason: "UNBOUNDED_COST" });

describe("the bound of a generation", () => {
  test("has a token for each byte of its text at least", () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: "binary" }), { maxLength: 8 }), (texts) => {
        const bytes = texts.reduce((sum, one) => sum + Buffer.byteLength(one), 0);
        const input = inputOf(bound({ messages: [{ role: Role.USER, parts: texts.map(text) }, { role: Role.TOOL, parts: [{ kind: { case: "toolResult", value: { toolCallId: "1", parts: texts.map(text) } } }] }] }));
        return input! >= BigInt(2 * bytes);
      }),
    );
  });

  test("is never more input than the model reads", () => {
    expect(inputOf(bound({ messages: [{ role: Role.USER, parts: [text("x".repeat(5_000))] }] }, { contextWindowTokens: 1_000n }))).toBe(1_000n);
  });

  test("has for an image what the vendor counts at most, and for what it does not show all that the model reads", () => {
    const image = { kind: { case: "image", value: { media: { source: { case: "data", value: new Uint8Array(1_000_000) }, mediaType: "image/png" } } } } as const;
    const byAddress = { kind: { case: "file", value: { media: { source: { case: "url", value: "https://a.example/b.pdf" }, mediaType: "application/pdf" } } } } as const;
    const withImage = { messages: [{ role: Role.USER, parts: [image] }] };
    expect(inputOf(bound(withImage))! < 60_000n).toBe(true);
    expect(inputOf(bound(withImage, { contextWindowTokens: 9_000n }, "unknown"))).toBe(9_000n);
    expect(inputOf(bound({ messages: [{ role: Role.USER, parts: [byAddress] }] }, { contextWindowTokens: 100_000n }))).toBe(100_000n);
    expect(inputOf(bound({ messages: [{ role: Role.USER, parts: [byAddress] }] }))).toBeUndefined();
  });

  test("counts every candidate, and the model's own maximum where the request has none", () => {
    expect(bound({ candidateCount: 3, maxOutputTokens: 100n }).output).toMatchObject({ candidates: 3n, maximumTokens: 100n });
    expect(bound({}, { maxOutputTokens: 8_000n }).output).toMatchObject({ candidates: 1n, maximumTokens: 8_000n });
    expect(bound({}).output).toMatchObject({ maximumTokens: undefined });
  });

  test("is not lessened by what a caller asks none of, or less", () => {
    for (const candidateCount of [0, -8]) expect(bound({ candidateCount, maxOutputTokens: 100n }).output).toMatchObject({ candidates: 1n });
    for (const maxOutputTokens of [0n, -100n]) expect(bound({ maxOutputTokens }, { maxOutputTokens: 8_000n }).output).toMatchObject({ maximumTokens: 8_000n });
    expect(bound({ maxOutputTokens: 0n }, { maxOutputTokens: 8_000n }, "anthropic").output).toMatchObject({ maximumTokens: 0n });
    expect(bound({ reasoning: { budgetTokens: -1_000n } }).output).toMatchObject({ leastTokens: 256n });
    const { quantities } = boundOfRelay("generateImages", { bytes: 10, count: -4n, files: 0n }, target("openai"));
    expect(quantities.find(({ meters }) => meters.includes(Meter.IMAGES))!.quantity).toBe(1n);
  });

  test("can be lowered to no less than what its thinking takes", () => {
    expect(bound({ reasoning: { budgetTokens: 4_096n } }).output).toMatchObject({ leastTokens: 4_352n });
  });

  test("is counted as kept for an hour where a piece of it is", () => {
    const marked = { ...text("x"), cacheMarker: { lifetime: CacheMarker_Lifetime.ONE_HOUR } };
    expect(bound({ messages: [{ role: Role.USER, parts: [marked] }] }).quantities[0]!.meters).toContain(Meter.CACHE_WRITE_1H_INPUT_TOKENS);
    expect(bound({}).quantities[0]!.meters).not.toContain(Meter.CACHE_WRITE_1H_INPUT_TOKENS);
  });

  test("is none where the vendor runs tools, and one where the caller does", () => {
    expect(() => bound(tool("anthropic", { type: "web_search_20250305", name: "web_search" }), {}, "anthropic")).toThrow(unlimited);
    expect(() => bound(tool("gemini", { googleSearch: {} }), {}, "gemini")).toThrow(unlimited);
    expect(bound(tool("anthropic", { type: "bash_20250124", name: "bash" }), {}, "anthropic").output).toBeDefined();
  });

  test("is one where the vendor's tools are left out, as they are for who neither gets the caller's bytes nor has such tools", () => {
    const searching = tool("openai-responses", { type: "web_search" });
    expect(bound(searching, {}, "anthropic").output).toBeDefined();
    expect(bound(searching, {}, "openai").output).toBeDefined();
    expect(() => bound(searching, {}, "openai", { fields: [], bytes: 100 })).toThrow(unlimited);
    // Of who takes no bytes it is not known whose tools it has.
    expect(() => bound(searching, {}, "bedrock")).toThrow(unlimited);
  });

  test("is of the service tier that it asks for, where that can cost more; Anthropic's fast mode is one", () => {
    const tierOf = (generation: GenerationInit, fields: string[] = []) => bound(generation, {}, "anthropic", { fields, bytes: 0 }).dearerTier;
    expect(["auto", "default", "standard_only", "flex", "priority", "scale"].map((serviceTier) => tierOf({ serviceTier }))).toEqual([undefined, undefined, undefined, undefined, "priority", "scale"]);
    expect([tierOf({}), tierOf({}, ["speed"]), tierOf({ serviceTier: "auto" }, ["speed"])]).toEqual([undefined, "fast", "fast"]);
  });

  test("is none with a field that lets the vendor go on, and counts the whole request where types cannot carry some of it", () => {
    for (const field of ["web_search_options", "context_management", furtherUnknownFields]) expect(() => bound({}, {}, "openai", { fields: [field], bytes: 100 })).toThrow(unlimited);
    expect(bound({}, {}, "anthropic", { fields: ["context_management.edits"], bytes: 100 }).output).toBeDefined();
    expect(boundOfGeneration(extentOf(create(GenerationSchema), { fields: ["context_management"], bytes: 100 }), target("openai"), false).output).toBeDefined();
    const known = inputOf(bound({}))!;
    expect(inputOf(bound({}, {}, "openai", { fields: ["prediction"], bytes: 10_000 }))).toBe(known + 10_000n);
  });
});

describe("the bound of another operation", () => {
  test("of embedding has a token for each byte", () => {
    const request = create(EmbedRequestSchema, { inputs: ["é".repeat(100)], tokenInputs: [{ tokens: [1, 2, 3] }] });
    expect(boundOfUnary("embed", request, target("openai")).quantities[0]!.quantity! >= 203n).toBe(true);
  });

  test("of reranking counts long documents as several", () => {
    const units = (documents: string[]): bigint | undefined => boundOfUnary("rerank", create(RerankRequestSchema, { query: "q", documents }), target("cohere")).quantities[0]!.quantity;
    expect(units(Array.from({ length: 99 }, () => "short"))).toBe(1n);
    expect(units(Array.from({ length: 99 }, () => "x".repeat(2_000)))! >= 4n).toBe(true);
  });

  test("of counting tokens is nothing", () => {
    expect(boundOfUnary("countTokens", create(GenerationSchema) as never, target("openai")).quantities).toEqual([]);
  });

  test("of a recording is as long as its bytes can sound", () => {
    const [sound] = boundOfRelay("transcribe", { bytes: 750_000, count: 1n, files: 1n }, target("openai")).quantities;
    expect(sound).toMatchObject({ meters: [Meter.AUDIO_MILLISECONDS] });
    expect(sound!.quantity! >= 1_000_000n).toBe(true);
  });

  test("of images has all that are asked for", () => {
    const { quantities } = boundOfRelay("editImages", { bytes: 10, count: 4n, files: 2n }, target("openai", {}, "gpt-image-1"));
    expect(quantities.find(({ meters }) => meters.includes(Meter.IMAGES))!.quantity).toBe(4n);
    expect(quantities.find(({ meters }) => meters.includes(Meter.IMAGE_OUTPUT_TOKENS))!.quantity).toBe(26_200n);
  });

  test("of speech whose tokens nobody bounds is none of them", () => {
    const { quantities } = boundOfRelay("synthesizeSpeech", { bytes: 400, count: 1n, files: 0n }, target("openai"));
    expect(quantities.find(({ meters }) => meters.includes(Meter.CHARACTERS))!.quantity).toBe(400n);
    expect(quantities.find(({ meters }) => meters.includes(Meter.AUDIO_OUTPUT_TOKENS))!.quantity).toBeUndefined();
  });
});

/** Of what has something untranslated it is the bytes that go. */
function bound(init: GenerationInit, facts: Partial<ModelFacts> = {}, vendor = "openai", untranslated: Untranslated = nothingUntranslated): Bound {
  const extent = extentOf(create(GenerationSchema, init as MessageInitShape<typeof GenerationSchema>), untranslated);
  return boundOfGeneration(extent, target(vendor, facts), untranslated !== nothingUntranslated);
}

function tool(dialect: string, json: object): GenerationInit {
  return { tools: [{ kind: { case: "native", value: { dialect, json: Buffer.from(JSON.stringify(json)) } } }] };
}

function inputOf({ quantities }: Bound): bigint | undefined {
  return quantities[0]!.quantity;
}

function target(vendor: string, facts: Partial<ModelFacts> = {}, model = "model"): Target {
  const provider = create(ProviderSchema, { name: vendor, vendor, nativeDialects: vendor === "bedrock" ? [] : [vendor], modelFacts: { [model]: create(ModelFactsSchema, facts as MessageInitShape<typeof ModelFactsSchema>) } });
  return { name: `${vendor}/${model}`, provider, model, breakerName: vendor };
}

function text(value: string) {
  return { kind: { case: "text", value: { text: value } } } as const;
}
