import { expect, test } from "vitest";
import { readCondition, type CallFacts } from "./condition.ts";

const facts: CallFacts = { organization: "org_1", team: "team_1", key: "key_1", member: "", model: "openai/gpt-6", route: "", operation: "Generate", labels: { end_user: "ada" } };

test.each([
  ["", true],
  ['model == "openai/gpt-6"', true],
  ['model.startsWith("openai/") && operation == "Generate"', true],
  ['labels.end_user in ["ada", "bob"]', true],
  ['["a/", "openai/"].exists(prefix, model.startsWith(prefix))', true],
  ['key == "key_2"', false],
  ['member != ""', false],
])("%s is %s of the call", (text, expected) => {
  expect(readCondition(text)(facts)).toBe(expected);
});

test("a label that a call does not have is empty text, so that leaving it out escapes nothing", () => {
  expect(readCondition('labels.tier != "gold"')(facts)).toBe(true);
  expect(readCondition('labels["tier"] == "gold"')(facts)).toBe(false);
});

test("a condition that cannot be decided holds", () => {
  expect(readCondition("int(labels.tier) > 3")({ ...facts, labels: { tier: "gold" } })).toBe(true);
  expect(readCondition("int(labels.tier) > 3")({ ...facts, labels: { tier: "2" } })).toBe(false);
});

test.each([
  ["model ==", /expecting/],
  ["model", /neither true nor false/],
  ['user == "ada"', /unresolved attribute.*organization, team, key/],
  ["allowed(model)", /unbound function: allowed/],
  ["false && model > 1", /no matching overload/],
  ['false && user == "ada"', /unresolved attribute/],
  ["model && true", /type mismatch/],
  ["[1, 2].all(a, [1, 2].all(b, a != b))", /a list within a list/],
  ["[1, 2].exists(a, {1: [a].all(b, b == 1)}[1])", /a list within a list/],
  ["[model].map(a, a + a).map(a, a + a) == []", /a list within a list/],
])("%s is refused when it is read", (text, message) => {
  expect(() => readCondition(text)).toThrow(message);
  expect(() => readCondition(text)).toThrow(expect.objectContaining({ reason: "INVALID_REQUEST" }));
});
