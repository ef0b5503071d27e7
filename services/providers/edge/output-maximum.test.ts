import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { AttemptRequestSchema } from "#gen/weir/providers/v1/providers_service_pb.ts";
import { planAttempt } from "../domain/plan-attempt.ts";
import { vendors } from "./vendors.ts";

const dialects: readonly (readonly [vendor: string, dialect: string, asked: string, sent: string])[] = [
  ["openai", "openai", `{"model":"x","max_tokens": 9000 ,"n":2}`, `{"model":"m","max_tokens": 64 ,"n":2}`],
  ["openai", "openai", `{"model":"x","max_completion_tokens":9000}`, `{"model":"m","max_completion_tokens":64}`],
  ["openai", "openai", `{"max_tokens":1,"model":"x","max_completion_tokens":9000}`, `{"max_tokens":64,"model":"m","max_completion_tokens":64}`],
  ["openai", "openai", `{"model":"x","messages":[]}`, `{"model":"m","messages":[],"max_completion_tokens":64}`],
  ["azure", "openai", `{"model":"x","messages":[]}`, `{"model":"m","messages":[],"max_completion_tokens":64}`],
  ["groq", "openai", `{"model":"x","messages":[]}`, `{"model":"m","messages":[],"max_tokens":64}`],
  ["anthropic", "anthropic", `{"model":"x","max_tokens":9000,"metadata":{"max_tokens":9000}}`, `{"model":"m","max_tokens":64,"metadata":{"max_tokens":9000}}`],
  ["cohere", "cohere", `{"model":"x"}`, `{"model":"m","max_tokens":64}`],
  ["gemini", "gemini", `{"contents":[],"generationConfig":{"seed":9007199254740993,"maxOutputTokens":9000}}`, `{"contents":[],"generationConfig":{"seed":9007199254740993,"maxOutputTokens":64}}`],
  ["gemini", "gemini", `{"generation_config":{"max_output_tokens":9000}}`, `{"generation_config":{"max_output_tokens":64}}`],
  ["gemini", "gemini", `{"contents":[]}`, `{"contents":[],"generationConfig":{"maxOutputTokens":64}}`],
  ["ollama", "ollama", `{"model":"x","stream":false,"options":{"num_predict":-1, "seed": 1}}`, `{"model":"m","stream":false,"options":{"num_predict":64, "seed": 1}}`],
  ["ollama", "ollama", `{"model":"x","stream":false,"options":null}`, `{"model":"m","stream":false,"options":{"num_predict":64}}`],
];

test.each(dialects)("%s takes an output maximum in the bytes of %s: %s", (vendor, dialect, asked, sent) => {
  const { adapter } = vendors[vendor]!;
  expect(bodyOf(adapter, dialect, asked, 64n)).toBe(sent);
});

test("a request of OpenAI's Responses API has it too", () => {
  expect(bodyOf(vendors["openai"]!.adapterAtHome!, "openai-responses", `{"model":"x","max_output_tokens":9000}`, 64n)).toBe(`{"model":"m","max_output_tokens":64}`);
});

test("without one the bytes keep what the caller said", () => {
  expect(bodyOf(vendors["anthropic"]!.adapter, "anthropic", `{"model":"x","max_tokens":9000}`, undefined)).toBe(`{"model":"m","max_tokens":9000}`);
});

test("every dialect whose bytes a vendor takes has a row here", () => {
  const taken = new Set(Object.values(vendors).flatMap(({ adapter, adapterAtHome = adapter }) => [...adapter.nativeDialects, ...adapterAtHome.nativeDialects]));
  expect([...taken].filter((name) => name !== "openai-responses" && !dialects.some(([, dialect]) => dialect === name))).toEqual([]);
});

function bodyOf(adapter: (typeof vendors)[string]["adapter"], dialect: string, asked: string, maxOutputTokens: bigint | undefined): string {
  const generation = { model: "x", native: { dialect, body: Buffer.from(asked) }, ...(maxOutputTokens === undefined ? {} : { maxOutputTokens }) };
  const request = create(AttemptRequestSchema, { provider: "p", model: "m", operation: { case: "generate", value: { generation } } });
  return Buffer.from(planAttempt(request, adapter).vendorRequest.body).toString();
}
