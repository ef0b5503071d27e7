/** Owns the proof of which generations go to OpenAI as Responses. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { Role } from "#gen/weir/inference/v1/content_pb.ts";
import { Modality, ReasoningOptions_Effort } from "#gen/weir/inference/v1/generation_pb.ts";
import { GenerationSchema } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { azureVendor } from "../azure.ts";
import { openaiVendor, openaiVendorWithResponses } from "../openai-vendor.ts";
import { goesAsResponse } from "./choose-api.ts";

type GenerationInit = Partial<MessageInitShape<typeof GenerationSchema>>;

const hello = { role: Role.USER, parts: [{ kind: { case: "text" as const, value: { text: "Hi" } } }] };
const generation = (init: GenerationInit) => create(GenerationSchema, { messages: [hello], ...init } as MessageInitShape<typeof GenerationSchema>);

test.each([
  ..."o1 o1-pro o3 o3-mini-2025-01-31 o4-mini gpt-5 gpt-5-mini gpt-5-codex gpt-5.2 gpt-5.4-mini gpt-5.6-sol gpt-6-astra gpt-10 my-gpt-5.1 ft:o4-mini:org::id".split(" ").map((model) => [model, true] as const),
  ..."gpt-4o gpt-4.1 gpt-3.5-turbo gpt-35-turbo gpt-4o3 chatgpt-4o-latest gpt-5-chat-latest gpt-5.2-chat-latest gpt-5-search-api gpt-oss-120b foo3 m".split(" ").map((model) => [model, false] as const),
])("%s: %s", (model, expected) => {
  expect(goesAsResponse(generation({}), model)).toBe(expected);
});

const native = (dialect: string) => ({ kind: { case: "native", value: { dialect, json: Buffer.from('{"type":"web_search"}') } } }) as const;
const say = (...parts: NonNullable<NonNullable<GenerationInit["messages"]>[number]["parts"]>) => ({ messages: [{ role: Role.USER, parts }] });

test.each<readonly [what: string, init: GenerationInit, expected: boolean]>([
  ["an effort", { reasoning: { effort: ReasoningOptions_Effort.HIGH } }, true],
  ["a bound for reasoning", { reasoning: { budgetTokens: 1024n } }, true],
  ["reasoning turned off", { reasoning: { effort: ReasoningOptions_Effort.NONE } }, false],
  ["no token for reasoning", { reasoning: { budgetTokens: 0n } }, false],
  ["one candidate", { candidateCount: 1 }, true],
  ["several candidates", { candidateCount: 2 }, false],
  ["stop sequences", { stopSequences: ["END"] }, false],
  ["a seed", { sampling: { seed: 0n } }, false],
  ["a penalty of nothing", { sampling: { presencePenalty: 0, frequencyPenalty: 0 } }, true],
  ["a penalty for presence", { sampling: { presencePenalty: 1 } }, false],
  ["a penalty for frequency", { sampling: { frequencyPenalty: 1 } }, false],
  ["a bias", { sampling: { logitBias: { "1": 1 } } }, false],
  ["text alone", { modalities: [Modality.TEXT] }, true],
  ["sound", { modalities: [Modality.AUDIO] }, false],
  ["a voice", { audio: { voice: "a", format: "mp3" } }, false],
  ["nothing stored", { store: false }, true],
  ["a stored completion", { store: true }, false],
  ["the smallest output maximum of Responses", { maxOutputTokens: 16n }, true],
  ["one below it", { maxOutputTokens: 15n }, false],
  ["a sound to hear", say({ kind: { case: "audio", value: { media: { source: { case: "data", value: new Uint8Array(1) } } } } }), false],
  ["a speaker's name", { messages: [{ ...hello, name: "Ann" }] }, false],
  ["a piece of Chat Completions", say(native("openai")), false],
  ["a piece of Responses", say(native("openai-responses")), true],
  ["a tool of Chat Completions", { tools: [native("openai")] }, false],
  ["a tool of another vendor", { tools: [native("anthropic")] }, true],
])("%s: %s, %s", (_what, init, expected) => {
  expect(goesAsResponse(generation(init), "gpt-5.6")).toBe(expected);
});

test("only where the server has Responses, and Azure's v1 API has", () => {
  const pathOf = ({ generate }: typeof openaiVendor): string => generate.buildRequest(generation({}), "gpt-5.6", true).path;
  expect([openaiVendor, openaiVendorWithResponses, azureVendor].map(pathOf)).toEqual(["/chat/completions", "/responses", "/responses"]);
});
