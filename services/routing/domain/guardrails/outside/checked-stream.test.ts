/** Owns the proof that a stream that waits for its judgement is bounded, whatever its events say, and what of it stays when others change it. */
import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import type { StreamGenerateResponse } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { GuardrailRuleSchema } from "#gen/weir/policy/v1/guardrail_pb.ts";
import { GrantSchema } from "#gen/weir/policy/v1/grant_pb.ts";
import { AttemptResponseSchema, type AttemptResponse } from "#gen/weir/providers/v1/providers_service_pb.ts";
import { CallGuard } from "../call-guard.ts";
import { checkedStream } from "./checked-stream.ts";
import { compiledRule } from "../compiled-rules.ts";

const call = { requestId: "req_1", grant: create(GrantSchema), model: "m", operation: "generate", labels: {}, signal: new AbortController().signal, deadlineMs: Infinity } as const;

function judged(messages: AsyncIterable<AttemptResponse>, failOpen: boolean): AsyncIterable<AttemptResponse> {
  const rule = compiledRule(create(GuardrailRuleSchema, { name: "r", mode: "block", sides: ["output"], check: { case: "plugin", value: "p" }, failOpen }));
  const guard = new CallGuard([rule], () => undefined, { call, ask: () => Promise.resolve({ verdict: "allow" }) });
  return checkedStream(messages, guard.outsideOfOutput!);
}

function emptyEvents(count: number): { readonly messages: AsyncIterable<AttemptResponse>; readonly taken: () => number } {
  let taken = 0;
  const message = create(AttemptResponseSchema, { events: [{ event: { case: "partDelta", value: { delta: { case: "text", value: "" } } } }] });
  async function* messages(): AsyncGenerator<AttemptResponse> {
    for (; taken < count; taken++) yield message;
    yield create(AttemptResponseSchema, { end: {} });
  }
  return { messages: messages(), taken: () => taken };
}

async function countOf(messages: AsyncIterable<AttemptResponse>): Promise<number> {
  let count = 0;
  for await (const _ of messages) count++;
  return count;
}

test("events that say nothing are held for a while, and not for ever", async () => {
  const { messages, taken } = emptyEvents(1_000_000);
  await expect(countOf(judged(messages, false))).rejects.toMatchObject({ reason: "GUARDRAIL_UNAVAILABLE" });
  expect(taken()).toBe(256 * 1024);
});

test("where the rule lets pass what is not judged, all goes on", async () => {
  expect(await countOf(judged(emptyEvents(300_000).messages, true))).toBe(300_001);
});

test("as many as a long reply has are judged", async () => {
  expect(await countOf(judged(emptyEvents(200_000).messages, false))).toBe(200_001);
});

test("a citation in a text that others have changed says no place any more, one in another text does", async () => {
  const rule = compiledRule(create(GuardrailRuleSchema, { name: "r", mode: "mask", sides: ["output"], check: { case: "plugin", value: "p" } }));
  const guard = new CallGuard([rule], () => undefined, { call, ask: () => Promise.resolve({ verdict: "mask", changes: new Map([[0, "other words"]]) }) });
  const delta = (partIndex: number, one: object) => ({ event: { case: "partDelta" as const, value: { partIndex, delta: one as never } } });
  const cited = { case: "citation", value: { url: "https://example.com", startIndex: 2, endIndex: 5 } };
  async function* messages(): AsyncGenerator<AttemptResponse> {
    yield create(AttemptResponseSchema, { events: [delta(0, { case: "text", value: "a sea" }), delta(0, cited), delta(1, { case: "text", value: "a lake" }), delta(1, cited)] });
    yield create(AttemptResponseSchema, { end: {} });
  }
  const events: StreamGenerateResponse[] = [];
  for await (const message of checkedStream(messages(), guard.outsideOfOutput!)) events.push(...message.events);
  const places = events.flatMap(({ event }) => (event.case === "partDelta" && event.value.delta.case === "citation" ? [[event.value.partIndex, event.value.delta.value.startIndex, event.value.delta.value.endIndex]] : []));
  expect(places).toEqual([[0, undefined, undefined], [1, 2, 5]]);
});
