import { describe, expect, test } from "vitest";
import { limitConditions, noCallFacts, readCondition, type CallFacts, type Condition, type ConditionKind } from "./condition.ts";

const facts: CallFacts = { organization: "org_1", team: "team_1", key: "key_1", member: "", model: "openai/gpt-6", route: "", operation: "Generate", labels: { end_user: "ada" } };

const read = (text: string): Condition => readCondition(text, limitConditions);

test.each([
  ["", true],
  ['model == "openai/gpt-6"', true],
  ['model.startsWith("openai/") && operation == "Generate"', true],
  ['labels.end_user in ["ada", "bob"]', true],
  ['["a/", "openai/"].exists(prefix, model.startsWith(prefix))', true],
  ['key == "key_2"', false],
  ['member != ""', false],
])("%s is %s of the call", (text, expected) => {
  expect(read(text)(facts)).toBe(expected);
});

test("a label that a call does not have is empty text, so that leaving it out escapes nothing", () => {
  expect(read('labels.tier != "gold"')(facts)).toBe(true);
  expect(read('labels["tier"] == "gold"')(facts)).toBe(false);
});

test("of a limit, a condition that cannot be decided holds", () => {
  expect(read("int(labels.tier) > 3")({ ...facts, labels: { tier: "gold" } })).toBe(true);
  expect(read("int(labels.tier) > 3")({ ...facts, labels: { tier: "2" } })).toBe(false);
});

test.each(["int(labels.tier) > 3", "uint(labels.tier) > 3u", "double(labels.tier) > 3.0"])("%s is decided of numbers alone, and holds where the label is left out or says something else", (text) => {
  const holds = (tier?: string): boolean => read(text)({ ...facts, labels: tier === undefined ? {} : { tier } });
  for (const tier of [undefined, "", " ", "gold", "0x1", "NaN", "2 ", "-", "2_0"]) expect(holds(tier), String(tier)).toBe(true);
  for (const [tier, expected] of [["2", false], ["+3", false], ["4", true]] as const) expect(holds(tier), tier).toBe(expected);
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
  expect(() => read(text)).toThrow(message);
  expect(() => read(text)).toThrow(expect.objectContaining({ reason: "INVALID_REQUEST" }));
});

describe("conditions of another kind", () => {
  interface MoreFacts extends CallFacts {
    readonly large: boolean;
    readonly size: bigint;
  }
  const kind: ConditionKind<MoreFacts> = { noFacts: { ...noCallFacts, large: false, size: 0n }, holdsUndecided: false, page: "docs/routing.md" };

  test("may ask for more, and need not hold where they cannot be decided", () => {
    const known = { ...facts, large: false, size: 4n };
    expect(readCondition('size > 3 && labels.end_user == "ada"', kind)(known)).toBe(true);
    expect(readCondition("int(labels.end_user) > 3", kind)(known)).toBe(false);
    expect(readCondition("!(int(labels.end_user) > 3)", kind)(known)).toBe(false);
    expect(() => readCondition("size > model", kind)).toThrow(/docs\/routing.md/);
    expect(() => readCondition("wide", kind)).toThrow(/may ask for .*labels, large, size/);
    expect(() => read("large")).toThrow(/unresolved attribute/);
  });

  test("read the facts that they ask for, and no others", () => {
    const asked: string[] = [];
    const watched = {
      ...facts,
      get large() {
        return asked.push("large") > 0;
      },
      get size() {
        return BigInt(asked.push("size"));
      },
    };
    expect(readCondition('model == "x" || large', kind)(watched)).toBe(true);
    expect(readCondition('model != "x" || size > 0', kind)(watched)).toBe(true);
    expect(asked).toEqual(["large"]);
  });
});
