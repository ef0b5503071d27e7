/** Owns the proof that a target is passed over for what is known of it, and for nothing else. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import { Role, type PartSchema } from "#gen/weir/inference/v1/content_pb.ts";
import { Modality } from "#gen/weir/inference/v1/generation_pb.ts";
import { GenerationSchema, type ModelFactsSchema } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { ProviderSchema } from "#gen/weir/providers/v1/providers_service_pb.ts";
import { needsOf, noNeeds, refuseUnfit, type Needs } from "./fitness.ts";
import type { Target } from "./plan.ts";

type Facts = MessageInitShape<typeof ModelFactsSchema>;
type PartInit = MessageInitShape<typeof PartSchema>;

function targetWith(facts: Facts | undefined): Target {
  const provider = create(ProviderSchema, { name: "p", modelFacts: facts === undefined ? {} : { m: facts } });
  return { name: "p/m", provider, model: "m", breakerName: "p/m" };
}

const all: Needs = { images: true, sounds: true, tools: true, inputTokens: 1_000_000 };
const text = { inputModalities: [Modality.TEXT] };

describe("refuseUnfit", () => {
  test.each<[string, Facts | undefined, Needs]>([
    ["nothing is known", undefined, all],
    ["what is known says nothing of it", { maxOutputTokens: 1n, source: "s" }, all],
    ["it has all", { inputModalities: [Modality.TEXT, Modality.IMAGE, Modality.AUDIO], tools: true, contextWindowTokens: 1_000_000n }, all],
    ["it lacks what is not needed", { ...text, tools: false, contextWindowTokens: 10n }, { ...noNeeds, inputTokens: 10 }],
  ])("lets a target pass of which %s", (_, facts, needs) => {
    expect(() => refuseUnfit(targetWith(facts), () => needs)).not.toThrow();
  });

  test.each<[Facts, Partial<Needs>, string]>([
    [text, { images: true }, "reads no images"],
    [{ inputModalities: [Modality.TEXT, Modality.IMAGE] }, { sounds: true }, "reads no sound"],
    [{ tools: false }, { tools: true }, "cannot ask for tools"],
    [{ contextWindowTokens: 10n }, { inputTokens: 11 }, "at most 10 tokens, and the request has about 11"],
  ])("passes over a target with %o for a request with %o", (facts, needs, why) => {
    expect(() => refuseUnfit(targetWith({ ...facts, source: "https://source.example" }), () => ({ ...noNeeds, ...needs }))).toThrow(
      expect.objectContaining({ reason: "UNSUPPORTED_FIELD", message: expect.stringMatching(new RegExp(`passed over: it .*${why}.*https://source.example`)) }),
    );
  });

  test("does not look at a request of whose target nothing is known", () => {
    refuseUnfit(targetWith(undefined), () => {
      throw new Error("was looked at");
    });
  });
});

describe("needsOf", () => {
  const needs = (...parts: PartInit[]): Needs => needsOf(create(GenerationSchema, { messages: [{ role: Role.USER, parts }] }));
  const image: PartInit = { kind: { case: "image", value: { media: { source: { case: "url", value: "https://a.example" } } } } };
  const textOf = (length: number): PartInit => ({ kind: { case: "text", value: { text: "x".repeat(length) } } });

  test("sees images, also in a tool's result", () => {
    expect(needs(image).images).toBe(true);
    expect(needs({ kind: { case: "toolResult", value: { parts: [image] } } }).images).toBe(true);
    expect(needs(textOf(1)).images).toBe(false);
  });

  test("sees sounds that have no words in their place", () => {
    const media = { source: { case: "data" as const, value: new Uint8Array(1) } };
    expect(needs({ kind: { case: "audio", value: { media } } }).sounds).toBe(true);
    expect(needs({ kind: { case: "audio", value: { media, transcript: "hello" } } }).sounds).toBe(false);
  });

  test("sees tools", () => {
    expect(needsOf(create(GenerationSchema, { tools: [{ kind: { case: "function", value: { name: "f" } } }] })).tools).toBe(true);
  });

  test("counts text alone, and few tokens rather than many", () => {
    const picture: PartInit = { kind: { case: "image", value: { media: { source: { case: "data", value: new Uint8Array(10_000_000) } } } } };
    expect(needs(textOf(60), picture, { kind: { case: "toolCall", value: { arguments: "x".repeat(60) } } }).inputTokens).toBe(20);
  });
});
