import { create } from "@bufbuild/protobuf";
import fc from "fast-check";
import { expect, test } from "vitest";
import { CheckResponseSchema } from "#gen/weir/guardrail/v1/guardrail_plugin_service_pb.ts";
import { changedText } from "../../domain/guardrails/outside/outside-guard.ts";
import { judgementOf } from "./plugin-messages.ts";

test("spans in code points hide what they name, whatever characters the text has", () => {
  const piece = fc.string({ unit: "binary", minLength: 1, maxLength: 5 }).filter((text) => text.isWellFormed());
  fc.assert(
    fc.property(fc.array(fc.record({ text: piece, isHidden: fc.boolean() }), { minLength: 1 }), fc.boolean(), (pieces, isReversed) => {
      let at = 0;
      const spans = pieces.flatMap(({ text, isHidden }) => {
        const start = at;
        at += [...text].length;
        return isHidden ? [{ textId: "1", start, end: at, label: "X" }] : [];
      });
      fc.pre(spans.length > 0);
      const whole = pieces.map(({ text }) => text).join("");
      const judgement = judgementOf(create(CheckResponseSchema, { verdict: { case: "mask", value: { spans: isReversed ? spans.toReversed() : spans } } }), [whole]);
      const change = judgement.verdict === "mask" ? judgement.changes.get(0)! : "";
      expect(changedText(whole, change, (label, text) => `<${label} ${text}>`)).toBe(pieces.map(({ text, isHidden }) => (isHidden ? `<X ${text}>` : text)).join(""));
    }),
  );
});

test.each([
  [[{ textId: "1", start: 0, end: 2 }, { textId: "1", start: 1, end: 3 }], []],
  [[{ textId: "1", start: 2, end: 2 }], []],
  [[{ textId: "1", start: 0, end: 5 }], []],
  [[{ textId: "2", start: 0, end: 1 }], []],
  [[{ textId: "1", start: 0, end: 1 }], [{ id: "1", text: "x" }]],
  [[], [{ id: "1", text: "x" }, { id: "1", text: "y" }]],
])("spans %j with texts %j are no answer", (spans, texts) => {
  const mask = create(CheckResponseSchema, { verdict: { case: "mask", value: { spans: spans.map((span) => ({ ...span, label: "X" })), texts } } });
  expect(() => judgementOf(mask, ["four"])).toThrow();
});
