import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { AttemptOutcomeSchema } from "#gen/weir/metering/v1/usage_event_pb.ts";
import { AttemptRequestSchema } from "#gen/weir/providers/v1/providers_service_pb.ts";
import { Meter, UsageSource } from "#gen/weir/types/v1/usage_pb.ts";
import { attemptFacts, attemptName } from "./attempt-trace.ts";

const request = create(AttemptRequestSchema, { attemptId: "att_1", requestId: "req_1", provider: "eu", model: "mistral-large" });
const factsOf = (outcome: MessageInitShape<typeof AttemptOutcomeSchema>) => attemptFacts(request, { vendor: "mistral", baseUrl: "https://api.mistral.ai/v1?key=secret" }, "generate", create(AttemptOutcomeSchema, outcome));

test("an attempt has the conventions' words for the operation and the vendor, and of the address the host alone", () => {
  expect(factsOf({})).toMatchObject({ "gen_ai.operation.name": "chat", "gen_ai.provider.name": "mistral_ai", "server.address": "api.mistral.ai", "weir.attempt_id": "att_1", "weir.provider": "eu" });
  expect(attemptFacts(request, { vendor: "groq", baseUrl: "" }, "rerank", undefined)).toMatchObject({ "gen_ai.operation.name": "rerank", "gen_ai.provider.name": "groq", "server.address": undefined });
});

test("tokens that the vendor reports are counted inclusively, and what it does not report is not 0", () => {
  const counted = [[Meter.INPUT_TOKENS, 4n], [Meter.CACHED_INPUT_TOKENS, 3n], [Meter.OUTPUT_TOKENS, 2n], [Meter.REASONING_OUTPUT_TOKENS, 5n], [Meter.WEB_SEARCHES, 9n]] as const;
  const quantities = counted.map(([meter, quantity]) => ({ meter, quantity }));
  const nothing = { "gen_ai.usage.input_tokens": undefined, "gen_ai.usage.output_tokens": undefined };
  expect(factsOf({ usage: { source: UsageSource.PROVIDER, quantities } })).toMatchObject({ "gen_ai.usage.input_tokens": 7, "gen_ai.usage.output_tokens": 7 });
  expect(factsOf({ usage: { source: UsageSource.PROVIDER, quantities: [{ meter: Meter.IMAGES, quantity: 1n }] } })).toMatchObject(nothing);
  expect(factsOf({ usage: { source: UsageSource.ESTIMATED, quantities } })).toMatchObject(nothing);
});

test("its name is the operation and the model, bounded, also of what is about no model or was not planned", () => {
  expect(attemptName(request, "generate")).toBe("chat mistral-large");
  expect(attemptName(request, undefined)).toBe("attempt mistral-large");
  expect(attemptName({ ...request, model: "" }, "files")).toBe("files");
  expect(attemptName({ ...request, model: "m".repeat(1_000) }, "embed")).toHaveLength("embeddings ".length + 100);
});
