import { create } from "@bufbuild/protobuf";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { FinishReason } from "#gen/weir/inference/v1/generation_pb.ts";
import { GenerateResponseSchema, StreamGenerateResponseSchema } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { charactersOf, eventsOf, grown, mostReplyCharacters, noReply, textOfReply, type Reply, type ReplyEvent } from "./reply.ts";

const after = (events: readonly ReplyEvent[]): Reply => events.reduce((reply, event, place) => grown(reply, event, place), noReply);
const begin = (partIndex: number, kind: "text" | "reasoning" = "text", candidateIndex = 0): ReplyEvent =>
  create(StreamGenerateResponseSchema, { event: { case: "partStart", value: { candidateIndex, partIndex, part: { kind: { case: kind, value: {} } } } } }).event;
const more = (partIndex: number, text: string, candidateIndex = 0): ReplyEvent =>
  create(StreamGenerateResponseSchema, { event: { case: "partDelta", value: { candidateIndex, partIndex, delta: { case: "text", value: text } } } }).event;

describe("a reply", () => {
  test("is the same, however it came in pieces, and as it came whole", () => {
    const whole = create(GenerateResponseSchema, { requestId: "req_1", target: "m/a", candidates: [{ finishReason: FinishReason.STOP, message: { parts: [{ kind: { case: "text", value: { text: "one two" } } }, { kind: { case: "toolCall", value: { name: "f", arguments: "{}" } } }] } }] });
    const atOnce = after(eventsOf(whole));
    expect(atOnce).toMatchObject({ requestId: "req_1", target: "m/a", finishReason: FinishReason.STOP, parts: [{ kind: "text", text: "one two" }, { kind: "toolCall", name: "f", text: "{}" }] });
    fc.assert(fc.property(fc.array(fc.string()), (pieces) => {
      expect(textOfReply(after([begin(0), ...pieces.map((piece) => more(0, piece))]))).toBe(pieces.join(""));
    }));
  });

  test("keeps parts apart that grow at the same time, and says again what was said alone", () => {
    const reply = after([begin(0, "reasoning"), begin(1), more(1, "It "), more(0, "Hm."), more(1, "is.")]);
    expect(reply.parts.map(({ text }) => text)).toEqual(["Hm.", "It is."]);
    expect(textOfReply(reply)).toBe("It is.");
  });

  test("is the first of several candidates", () => {
    expect(textOfReply(after([begin(0), begin(0, "text", 1), more(0, "other", 1), more(0, "this")]))).toBe("this");
  });

  test("knows when its first word came", () => {
    expect(after([begin(0), more(0, ""), more(0, "now"), more(0, "then")]).firstWordMs).toBe(2);
  });

  test("is never longer than the page holds, in as many pieces and parts as it may come", () => {
    const events = Array.from({ length: 300 }, (_, place) => [begin(place), more(place, "x".repeat(1_700))]).flat();
    const reply = after(events);
    expect([charactersOf(reply), reply.parts.length, reply.isCut]).toEqual([mostReplyCharacters, 100, true]);
    expect(after([begin(0), more(0, "x".repeat(mostReplyCharacters))]).isCut).toBe(false);
  });
});
