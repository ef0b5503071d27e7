import { afterAll, expect, test } from "vitest";
import { JsonJudge } from "./json-judge.ts";

const judge = new JsonJudge();
const hastyJudge = new JsonJudge(500);
afterAll(() => Promise.all([judge.stop(), hastyJudge.stop()]));

const person = JSON.stringify({ type: "object", properties: { age: { type: "integer" }, tags: { $ref: "#/$defs/tags" } }, required: ["age"], additionalProperties: false, $defs: { tags: { type: "array", items: { enum: ["a", "b"] } } } });

test.each([
  [person, '{"age":3,"tags":["a"]}', undefined],
  [person, '{"age":"secret"}', "it does not fit #/properties/age/type of the schema"],
  [person, '{"tags":[]}', "it does not fit #/required of the schema"],
  [person, '{"age":3,"tags":["secret"]}', "it does not fit #/properties/tags/$ref/items/enum of the schema"],
  [person, "```json\n{}\n```", "it is not JSON"],
  [person, "", "it is not JSON"],
  ['{"$ref":"https://elsewhere.example/schema"}', "{}", "the schema cannot be used"],
  ["no schema", "{}", "the schema cannot be used"],
  ['{"$schema":"http://json-schema.org/draft-07/schema#","items":[{"type":"string"}]}', "[1]", "it does not fit #/items/0/type of the schema"],
])("under %s, %s: %s", async (schema, text, fault) => {
  expect(await judge.faultOf(schema, text)).toBe(fault);
});

const doubling = Object.fromEntries(Array.from({ length: 40 }, (_, index) => [`s${index}`, { allOf: [{ $ref: `#/$defs/s${index + 1}` }, { $ref: `#/$defs/s${index + 1}` }] }]));

test.each([
  ["a pattern that backtracks", { pattern: "^(a|a)*$" }, `${"a".repeat(60)}!`],
  ["references that multiply", { $ref: "#/$defs/s0", $defs: { ...doubling, s40: true } }, 1],
  ["a comparison of each with each", { uniqueItems: true }, Array.from({ length: 100_000 }, (_, index) => index)],
])("%s ends in time, and the next text is looked at", async (_name, schema, value) => {
  const slow = hastyJudge.faultOf(JSON.stringify(schema), JSON.stringify(value));
  const next = hastyJudge.faultOf(person, '{"age":3}');
  expect(await slow).toMatch(/takes too long/);
  expect(await next).toBeUndefined();
});

test("what waits for others too long is not looked at, and what comes later is", async () => {
  const impatientJudge = new JsonJudge(500, 100);
  const slow = impatientJudge.faultOf('{"pattern":"^(a|a)*$"}', JSON.stringify(`${"a".repeat(60)}!`));
  expect(await impatientJudge.faultOf("{}", "1")).toBe("too many replies wait to be looked at");
  expect(await slow).toMatch(/takes too long/);
  expect(await impatientJudge.faultOf("{}", "1")).toBeUndefined();
  await impatientJudge.stop();
});

test("what is too long is not even looked at", async () => {
  expect(await judge.faultOf("{}", `"${"x".repeat(2 ** 20)}"`)).toMatch(/too long/);
  expect(await judge.faultOf(" ".repeat(2 ** 17), "1")).toMatch(/schema is longer/);
});
