import { glob } from "node:fs/promises";
import { join } from "node:path";
import { create, getOption, type DescField, type DescMessage } from "@bufbuild/protobuf";
import { field as fieldRules, type FieldRules } from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import { expect, test } from "vitest";
import { CreateRateLimitRequestSchema } from "#gen/weir/policy/v1/rate_limit_pb.ts";
import { patternWords, ruleWords } from "./rule-words.ts";
import { validateMessage } from "./validation.ts";

const generated = join(import.meta.dirname, "../../../gen");

test("every pattern of a contract has words, and no words are of a pattern that is gone", async () => {
  const patterns = new Set<string>();
  for await (const file of glob("weir/**/*_pb.ts", { cwd: generated })) {
    const descriptions = Object.values((await import(join(generated, file))) as Record<string, unknown>);
    for (const { fields } of descriptions.filter(isMessage)) for (const field of fields) for (const pattern of patternsOf(field)) patterns.add(pattern);
  }
  expect(Object.keys(patternWords).toSorted()).toEqual([...patterns].toSorted());
});

test.each([
  ["must be in list [, debug, info]", "must be one of debug, info"],
  ["must be in list [day, week]", "must be one of day, week"],
  ["must be at least 1 characters", "must not be empty"],
  ["must contain at least 1 item(s)", "must not be empty"],
  ["must be at least 32 characters", "must be at least 32 characters"],
  ["must be greater than or equal to 0 and less than or equal to 65535", "must be from 0 to 65535"],
  ["must be greater than 0s and less than or equal to 3600s", "must be greater than 0s and at most 3600s"],
  ["must be greater than or equal to 1", "must be at least 1"],
])("%s: %s", (rule, words) => expect(ruleWords(rule)).toBe(words));

test("a caller is told what to write", () => {
  const request = create(CreateRateLimitRequestSchema, { rule: { name: "Per Key", count: "requests", amount: 1n, window: "minute", per: ["user"] } });
  expect(() => validateMessage(CreateRateLimitRequestSchema, request)).toThrow(
    "rule.name: must be small letters, digits, - and _, at most 63, the first one a letter or a digit; rule.per[0]: must be organization, team, key, member, model, route, or a label, such as labels.end_user",
  );
});

function isMessage(value: unknown): value is DescMessage {
  return typeof value === "object" && value !== null && "kind" in value && value.kind === "message";
}

function patternsOf(field: DescField): string[] {
  return patternsIn(getOption(field, fieldRules));
}

function patternsIn(rules: FieldRules | undefined): string[] {
  if (rules?.type.case === "string") return rules.type.value.pattern === "" ? [] : [rules.type.value.pattern];
  if (rules?.type.case === "repeated") return patternsIn(rules.type.value.items);
  return rules?.type.case === "map" ? [...patternsIn(rules.type.value.keys), ...patternsIn(rules.type.value.values)] : [];
}
