import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { TopicSchema } from "#gen/weir/policy/v1/guardrail_pb.ts";
import { TextStream } from "../texts/text-stream.ts";
import { compiledTopic, topicWatch } from "./topics.ts";

const topic = compiledTopic(create(TopicSchema, { name: "takeovers", threshold: 4, terms: { Merger: 2, "due diligence": 2, valuation: 1, "term sheet": 1 } }));

function about(pieces: readonly string[]): string[] {
  const told: string[] = [];
  const stream = new TextStream([topicWatch(topic, (term) => told.push(term))]);
  for (const piece of pieces) stream.push(piece);
  stream.end();
  return told;
}

test.each([
  ["The merger needs Due Diligence, and due diligence a valuation.", ["Due Diligence"]],
  ["A merger, a valuation and a TERM SHEET", ["TERM SHEET"]],
  ["merger merger merger valuation valuation", []],
  ["Mergers and revaluation: due diligences", []],
  ["", []],
])("of %j", (text, told) => {
  expect(about([text])).toEqual(told);
  expect(about([...text])).toEqual(told);
});

test("a term has its accents as characters of their own or not, in the text and in the rule", () => {
  const term = "fusión";
  for (const form of ["NFC", "NFD"] as const) {
    const watch = topicWatch(compiledTopic(create(TopicSchema, { name: "fusiones", threshold: 1, terms: { [term.normalize(form)]: 1 } })), () => told++);
    let told = 0;
    for (const text of [term.normalize("NFC"), term.normalize("NFD")]) {
      const stream = new TextStream([{ ...watch, replacementFor: () => "[WORD_1]" }]);
      expect(stream.push(`La ${text.toUpperCase()}.`) + stream.end()).toBe("La [WORD_1].");
    }
    expect(told).toBe(1);
  }
});

test("each text is about something by itself", () => {
  expect([...about(["merger"]), ...about(["due diligence"])]).toEqual([]);
});
