import { create } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { ScopeSchema } from "#gen/weir/policy/v1/scope_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import { checkLabels, checkScope, readName } from "./names.ts";

describe("a name", () => {
  it.each(["a", "Team Rhône 7", "x".repeat(100), "𝒲".repeat(100), "日本"])("may be %s", (name) => {
    expect(readName(name)).toBe(name);
  });

  it.each([["empty", ""], ["blank", " "], ["too long", "x".repeat(101)], ["padded", " a"], ["broken in lines", "a\nb"], ["holding a NUL", "a\0"], ["half a character", "\ud835"]])("may not be %s", (_, name) => {
    expect(() => readName(name)).toThrow(expect.objectContaining({ reason: "INVALID_REQUEST", fieldViolations: [expect.objectContaining({ field: "name" })] }));
  });

  it("is the same name in whatever form of Unicode it was typed", () => {
    expect(readName("Rho\u0302ne")).toBe(readName("Rh\u00f4ne"));
  });
});

describe("labels", () => {
  it("take any printable text", () => {
    expect(() => checkLabels({ cost_center: "R & D / 42", empty: "" })).not.toThrow();
  });

  it.each([[{ "a\n": "b" }], [{ a: "b\r" }], [{ a: "\0" }]])("refuse control characters: %j", (labels) => {
    expect(() => checkLabels(labels)).toThrow(GatewayError);
  });
});

describe("scopes", () => {
  it("name routes, models, all models of a provider, and operations", () => {
    expect(() => checkScope(create(ScopeSchema, { models: ["fast", "openai/gpt-5", "openai/*", "openrouter/meta/llama"], operations: ["Generate", "Embed"] }))).not.toThrow();
  });

  // Each of these would silently match nothing.
  it.each(["*", "*/*", "openai/gpt-*", "openai/*/x", " fast", "fast\n"])("refuse %j", (model) => {
    expect(() => checkScope(create(ScopeSchema, { models: [model] }))).toThrow(expect.objectContaining({ reason: "INVALID_REQUEST" }));
  });

  it.each([["https://App.example.com", "https://app.example.com"], ["https://app.example.com:443", "https://app.example.com"], ["http://bücher.example", "http://xn--bcher-kva.example"], ["https://me@app.example.com", "https://app.example.com"], ["https://:", "which is none"]])("refuse the origin %s, which browsers say otherwise", (origin, said) => {
    expect(() => checkScope(create(ScopeSchema, { origins: [origin] }))).toThrow(said);
  });

  it.each(["https://app.example.com", "http://localhost:5173", "https://[2001:db8::1]:8443"])("take the origin %s", (origin) => {
    expect(() => checkScope(create(ScopeSchema, { origins: [origin] }))).not.toThrow();
  });

  it.each(["generate", "StreamGenerate", "Nothing"])("refuse the operation %s", (operation) => {
    expect(() => checkScope(create(ScopeSchema, { operations: [operation] }))).toThrow(/There are Generate, /);
  });
});
