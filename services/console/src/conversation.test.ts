import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { Role } from "#gen/weir/inference/v1/content_pb.ts";
import { GenerationSchema } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { after, generationOf, isAnswering, isFull, type Asked, type Conversation, type Happening } from "./conversation.ts";
import { noReply, type Ending, type ReplyPart } from "./reply.ts";

const asked: Asked = { model: "m/a", systemPrompt: "", prompt: "?", maximumOutputTokens: undefined, temperature: undefined, isStreamed: true };
const turnOf = (id: number, prompt: string, text: string, kind: ReplyPart["kind"] = "text", ending: Ending = "answered"): Conversation[number] => ({ id, asked: { ...asked, prompt }, reply: { ...noReply, ending, parts: text === "" ? [] : [{ index: 0, kind, name: "", text }] } });
const sentAfter = (conversation: Conversation, next: Asked): unknown[] =>
  create(GenerationSchema, generationOf(conversation, next)).messages.map(({ role, parts }) => [role, parts[0]!.kind.value]);

test("a call takes along what was answered, or a part of it, and nothing that was not", () => {
  const conversation = [turnOf(1, "one", "first"), turnOf(2, "two", "", "text", "failed"), turnOf(3, "three", "half", "text", "stopped"), turnOf(4, "four", "{}", "toolCall")];
  expect(sentAfter(conversation, { ...asked, systemPrompt: "be brief", prompt: "five" })).toMatchObject([
    [Role.SYSTEM, { text: "be brief" }],
    [Role.USER, { text: "one" }],
    [Role.ASSISTANT, { text: "first" }],
    [Role.USER, { text: "three" }],
    [Role.ASSISTANT, { text: "half" }],
    [Role.USER, { text: "five" }],
  ]);
});

test("what is not filled in is the vendor's to choose", () => {
  expect(Object.keys(generationOf([], asked)).sort()).toEqual(["labels", "messages", "model"]);
  expect(create(GenerationSchema, generationOf([], { ...asked, maximumOutputTokens: 5n, temperature: 0 }))).toMatchObject({ maxOutputTokens: 5n, sampling: { temperature: 0 } });
});

test("a turn is told of by what happens to it, from the asking to its end", () => {
  const happenings: Happening[] = [{ type: "asked", id: 1, asked }, { type: "headers", id: 1, requestId: "req_1", cacheState: "miss" }];
  const underWay = happenings.reduce<Conversation>(after, []);
  expect(isAnswering(underWay)).toBe(true);
  const over = after(underWay, { type: "ended", id: 1, ending: "failed", failure: { reason: "BUDGET_EXCEEDED", message: "…" }, elapsedMs: 7 });
  expect(over).toMatchObject([{ reply: { requestId: "req_1", cacheState: "miss", ending: "failed", failure: { reason: "BUDGET_EXCEEDED" }, totalMs: 7 } }]);
  expect(isAnswering(over)).toBe(false);
  expect(after(over, { type: "withdrawn", id: 1 })).toEqual([]);
});

test("what comes late for a turn that was cleared away brings nothing back", () => {
  const cleared = after([turnOf(1, "one", "first")], { type: "cleared" });
  expect(after(cleared, { type: "ended", id: 1, ending: "stopped", elapsedMs: 1 })).toEqual([]);
});

test("a conversation is full by its turns, or by its characters", () => {
  expect(isFull(Array.from({ length: 49 }, (_, id) => turnOf(id, "?", "!")))).toBe(false);
  expect(isFull(Array.from({ length: 50 }, (_, id) => turnOf(id, "?", "!")))).toBe(true);
  expect(isFull(Array.from({ length: 5 }, (_, id) => turnOf(id, "?".repeat(60_000), "!".repeat(40_000))))).toBe(true);
});
