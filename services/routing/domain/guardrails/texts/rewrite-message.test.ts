import { create, ScalarType, type DescField, type DescMessage } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { AttemptRequestSchema, AttemptResponseSchema } from "#gen/weir/providers/v1/providers_service_pb.ts";
import { rewriteMessage } from "./rewrite-message.ts";

/** What only machines read: ids, kinds, addresses, proofs, and what is about the call and not in it. */
const notLookedAt = [
  "content_type", "dialect", "endpoint", "file_id", "format", "headers", "id", "labels", "media_type", "model", "native_finish_reason", "redacted_data", "request_id", "service_tier", "signature", "target",
  "tool_call_id", "url", "voice",
];

test("every field of a call that can hold text is looked at, but for those listed", () => {
  const seen = new Set<string>();
  const skipped = [...fieldsOf(AttemptRequestSchema, seen), ...fieldsOf(AttemptResponseSchema, seen)].filter(({ schema, field }) => !isLookedAt(schema, field)).map(({ field }) => field.name);
  expect([...new Set(skipped)].toSorted()).toEqual(notLookedAt);
});

test("a message in which nothing changes is the very same", () => {
  const message = create(AttemptResponseSchema, { generate: { candidates: [{ message: { parts: [{ kind: { case: "text", value: { text: "hi" } } }] } }] } });
  expect(rewriteMessage(AttemptResponseSchema, message, (text) => text)).toBe(message);
  expect(rewriteMessage(AttemptResponseSchema, message, (text) => `${text}!`).generate!.candidates[0]!.message!.parts[0]!.kind.value).toMatchObject({ text: "hi!" });
});

interface Place {
  readonly schema: DescMessage;
  readonly field: DescField;
}

/** The fields with text of this message and all that it can hold, each message once. */
function* fieldsOf(schema: DescMessage, seen: Set<string>): Iterable<Place> {
  if (seen.has(schema.typeName) || !schema.typeName.startsWith("weir.")) return;
  seen.add(schema.typeName);
  for (const field of schema.fields) {
    if (field.message !== undefined) yield* fieldsOf(field.message, seen);
    else if (field.scalar === ScalarType.STRING || field.scalar === ScalarType.BYTES) yield { schema, field };
  }
}

function isLookedAt(schema: DescMessage, field: DescField): boolean {
  const text = field.scalar === ScalarType.BYTES ? Buffer.from('{"a":"hi"}') : "hi";
  const value = field.fieldKind === "list" ? [text] : field.fieldKind === "map" ? { a: text } : text;
  const message = { ...create(schema), mediaType: "text/plain", ...(field.oneof === undefined ? { [field.localName]: value } : { [field.oneof.localName]: { case: field.localName, value } }) };
  let looked = false;
  rewriteMessage(schema, message, (found) => {
    looked ||= found.includes("hi");
    return found;
  });
  return looked;
}
