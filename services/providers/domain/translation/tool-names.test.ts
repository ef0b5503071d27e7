import { create, type MessageInitShape } from "@bufbuild/protobuf";
import fc from "fast-check";
import { expect, test } from "vitest";
import { Role } from "#gen/weir/inference/v1/content_pb.ts";
import { ToolChoice_Mode } from "#gen/weir/inference/v1/generation_pb.ts";
import { GenerateResponseSchema, GenerationSchema } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { giveBackNames, nameTools, plainToolNames, type ToolNameForm } from "./tool-names.ts";

const gemini: ToolNameForm = { refused: /[^\w.:-]/gu, beginning: /^[a-zA-Z_]/, maximumCharacters: 64 };
const forms = [
  { form: plainToolNames(64), taken: /^[a-zA-Z0-9_-]{1,64}$/ },
  { form: plainToolNames(128), taken: /^[a-zA-Z0-9_-]{1,128}$/ },
  { form: gemini, taken: /^[a-zA-Z_][\w.:-]{0,63}$/ },
];
const called = (name: string) => ({ kind: { case: "toolCall", value: { id: "c", name, arguments: "{}" } } }) as const;

function generationWith(names: readonly string[], init: Partial<MessageInitShape<typeof GenerationSchema>> = {}) {
  return create(GenerationSchema, {
    model: "m",
    messages: [{ role: Role.ASSISTANT, parts: names.map(called) }],
    tools: names.map((name, index) => ({ kind: { case: index % 2 === 0 ? "function" : "custom", value: { name } } }) as const),
    ...init,
  } as MessageInitShape<typeof GenerationSchema>);
}

test("whatever tools are called, the vendor takes the names, no two become one, and the caller gets its own back", () => {
  const name = fc.oneof(fc.string({ minLength: 1, maxLength: 200, unit: "binary" }), fc.stringMatching(/^[\w./:-]{1,150}$/));
  fc.assert(
    fc.property(fc.uniqueArray(name, { minLength: 1, maxLength: 8 }), fc.constantFrom(...forms), (names, { form, taken }) => {
      const { generation, given } = nameTools(generationWith(names, { toolChoice: { mode: ToolChoice_Mode.NAMED, name: names[0]! } }), form);
      const sent = generation.tools.map(({ kind }) => (kind.case === "function" || kind.case === "custom" ? kind.value.name : ""));
      for (const one of sent) expect(one).toMatch(taken);
      expect(new Set(sent).size).toBe(names.length);
      expect(generation.toolChoice?.name).toBe(sent[0]);
      expect(generation.messages[0]!.parts.map(({ kind }) => (kind.case === "toolCall" ? kind.value.name : ""))).toEqual(sent);

      const reply = create(GenerateResponseSchema, { candidates: [{ message: { role: Role.ASSISTANT, parts: sent.map(called) } }] });
      giveBackNames(reply, given);
      expect(reply.candidates[0]!.message!.parts.map(({ kind }) => (kind.case === "toolCall" ? kind.value.name : ""))).toEqual(names);
    }),
  );
});

test("names that the vendor takes go as they are, and nothing is copied", () => {
  const asked = generationWith(["get_flow", "mcp__gauge__read-flow"]);
  expect(nameTools(asked, plainToolNames(64))).toEqual({ generation: asked, given: new Map() });
  expect(nameTools(asked, plainToolNames(64)).generation).toBe(asked);
  const unknown = generationWith(["any name/at all"]);
  expect(nameTools(unknown, undefined).generation).toBe(unknown);
});

test("a name becomes the same one each time, readable, and apart from its neighbour", () => {
  const { given } = nameTools(generationWith(["gauge.read", "gauge/read", "7 rivers"]), plainToolNames(64));
  expect([...given.keys()].map((name) => name.replace(/[0-9a-f]{8}$/, "…"))).toEqual(["gauge_read_…", "gauge_read_…", "7_rivers_…"]);
  expect(nameTools(generationWith(["gauge/read"]), plainToolNames(64)).given.keys().next().value).toBe([...given.keys()][1]);
  expect(nameTools(generationWith(["7rivers"]), gemini).given.keys().next().value).toMatch(/^_7rivers_[0-9a-f]{8}$/);
});
