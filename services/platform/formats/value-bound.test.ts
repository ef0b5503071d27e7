/** Proves that bodies are refused for what they hold before it is decoded, and that nobody else is. */
import { create, fromJson, toBinary, type DescMessage, type JsonObject } from "@bufbuild/protobuf";
import { StructSchema } from "@bufbuild/protobuf/wkt";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { GenerateRequestSchema, EmbedRequestSchema } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { boundJsonValues, boundMessageValues } from "./value-bound.ts";

const most = 10;
const padding = "x".repeat(100);
const tooMany = expect.objectContaining({ reason: "BODY_TOO_LARGE" });

describe("JSON", () => {
  it.each([
    ["a list", [padding, ...Array.from({ length: most }, () => 1)]],
    ["empty objects", [padding, ...Array.from({ length: most }, () => ({}))]],
    ["lists in lists", [padding, JSON.parse("[".repeat(most) + "]".repeat(most))]],
    ["an object", { padding, ...Object.fromEntries(Array.from({ length: most }, (_, index) => [`"${index}\\`, 1])) }],
  ])("of %s is bounded", (_, value) => {
    expect(() => boundJsonValues(Buffer.from(JSON.stringify(value)), most)).toThrow(tooMany);
  });

  it("counts as many values as it has, whatever its texts hold", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const body = Buffer.from(JSON.stringify([padding, value]));
        const values = marksIn([padding, value]);
        expect(() => boundJsonValues(body, values)).not.toThrow();
        if (body.length > 2 * (values - 1)) expect(() => boundJsonValues(body, values - 1)).toThrow(tooMany);
      }),
    );
  });

  it("is not looked at where it is too small to hold more", () => {
    expect(() => boundJsonValues(Buffer.from("[{},{},{},{}]"), most)).not.toThrow();
  });
});

/** The commas, and the opening marks. */
function marksIn(value: unknown): number {
  if (typeof value !== "object" || value === null) return 0;
  const inner = Object.values(value);
  return 1 + Math.max(0, inner.length - 1) + inner.reduce((sum: number, one) => sum + marksIn(one), 0);
}

describe("a message", () => {
  it.each<[string, DescMessage, Uint8Array]>([
    ["inner messages", GenerateRequestSchema, toBinary(GenerateRequestSchema, create(GenerateRequestSchema, { generation: { messages: Array.from({ length: most }, () => ({})) } }))],
    ["messages in maps", StructSchema, structBytes({ list: Array.from({ length: most }, () => ({})) })],
    ["numbers that stand packed", EmbedRequestSchema, toBinary(EmbedRequestSchema, create(EmbedRequestSchema, { tokenInputs: [{ tokens: Array.from({ length: 100 }, () => 1) }] }))],
    ["fields that nobody knows", GenerateRequestSchema, Buffer.concat(Array.from({ length: most }, () => Buffer.of(0xfa, 0x01, 0)))],
  ])("of many %s is bounded", (_, schema, bytes) => {
    expect(() => boundMessageValues(schema, withLongText(bytes), most)).toThrow(tooMany);
  });

  it.each<[string, DescMessage, Uint8Array]>([
    ["has few fields", GenerateRequestSchema, toBinary(GenerateRequestSchema, create(GenerateRequestSchema, { generation: { messages: [{}, {}] } }))],
    ["has a long text in a map", StructSchema, structBytes({ text: padding })],
    ["is none", GenerateRequestSchema, Buffer.alloc(100, 0xff)],
  ])("that %s is not refused", (_, schema, bytes) => {
    expect(() => boundMessageValues(schema, withLongText(bytes), most)).not.toThrow();
  });
});

function structBytes(json: JsonObject): Uint8Array {
  return toBinary(StructSchema, fromJson(StructSchema, json));
}

/** Behind a field that nobody knows, so that the message is long enough to be looked at. */
function withLongText(bytes: Uint8Array): Uint8Array {
  return Buffer.concat([Buffer.of(0xfa, 0x01, padding.length), Buffer.from(padding), bytes]);
}
