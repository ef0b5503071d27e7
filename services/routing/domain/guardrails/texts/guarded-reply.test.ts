import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { GuardrailRuleSchema } from "#gen/weir/policy/v1/guardrail_pb.ts";
import { AttemptResponseSchema, type AttemptResponse } from "#gen/weir/providers/v1/providers_service_pb.ts";
import { CallGuard } from "../call-guard.ts";
import { compiledRule } from "../compiled-rules.ts";
import { guardedReply } from "./guarded-reply.ts";

const guard = new CallGuard([compiledRule(create(GuardrailRuleSchema, { name: "r", mode: "mask", sides: ["output"], detectors: ["email"] }))], () => undefined);

async function* cameAs(...messages: readonly object[]): AsyncGenerator<AttemptResponse> {
  for (const message of messages) yield create(AttemptResponseSchema, message);
}

// Whoever writes it to the caller ends there.
test.each([
  ["behind the bytes", [{ start: { contentType: "text/plain" }, native: Buffer.from("mail ada@") }, { native: Buffer.from("example.com now") }, { end: {} }]],
  ["with the last of them", [{ start: { contentType: "text/plain" }, native: Buffer.from("mail ada@") }, { native: Buffer.from("example.com now"), end: {} }]],
])("bytes that are looked through as a whole come before the end that came %s", async (_, messages) => {
  const seen: { text: string; hasEnd: boolean }[] = [];
  for await (const { native, end } of guardedReply(cameAs(...messages), "transcribe", guard, () => Promise.resolve())) seen.push({ text: Buffer.from(native).toString(), hasEnd: end !== undefined });
  expect(seen.map(({ text }) => text).join("")).toMatch(/^mail \S+ now$/);
  expect(seen.map(({ text }) => text).join("")).not.toContain("example.com");
  expect(seen.findIndex(({ hasEnd }) => hasEnd)).toBe(seen.length - 1);
});
