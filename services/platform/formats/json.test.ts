/** Owns the proof that splicing sets what it is told and touches no other byte. */
import fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import { InnerSplices, InsertedElements, parseJsonObject, spliceElements, spliceJson, withoutMember } from "./json.ts";

const space = fc.constantFrom("", " ", "\n", "\t", "\r\n  ");
const memberName = fc.oneof(fc.constantFrom("model", "stream", "stream_options", "a\"b", "ü", "\\", "__proto__", ""), fc.string({ unit: "binary", maxLength: 6 }));
const members = fc.uniqueArray(fc.tuple(memberName, fc.jsonValue({ maxDepth: 3 })), { selector: ([name]) => name, maxLength: 6 });
const splices = fc.dictionary(fc.constantFrom("model", "stream", "stream_options", "ü", "a\"b"), fc.jsonValue({ maxDepth: 2 }), { maxKeys: 4 });

/** The object with space between all tokens at the top. */
function write(entries: readonly (readonly [string, unknown])[], gap: string): string {
  const written = entries.map(([name, value]) => `${gap}${JSON.stringify(name)}${gap}:${gap}${JSON.stringify(value)}${gap}`);
  return `${gap}{${written.join(",")}${gap}}${gap}`;
}

/** As JSON carries it: there is no negative zero. */
const asJson = (value: unknown): unknown => JSON.parse(JSON.stringify(value));
const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
const textOf = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

test("elements are put into an array at their places, and nothing else of it changes", () => {
  fc.assert(
    fc.property(fc.array(fc.jsonValue({ maxDepth: 2 }), { maxLength: 4 }), fc.nat(5), space, (list, index, gap) => {
      const written = list.map((element) => `${gap}${JSON.stringify(element)}${gap}`);
      const elements = [{ index: 0, value: { first: 1 } }, { index, value: "second" }];
      const spliced = textOf(spliceJson(bytesOf(`{"list":[${written.join(",")}${list.length === 0 ? gap : ""}]}`), { list: new InsertedElements(elements) }));
      expect(JSON.parse(spliced)).toEqual(asJson({ list: [{ first: 1 }, ...list.slice(0, index), "second", ...list.slice(index)] }));
      for (const element of written) expect(spliced).toContain(element.trim());
    }),
  );
});

describe("spliceElements", () => {
  const join = (body: string, splices: object): string => textOf(Buffer.concat([...spliceElements(bytesOf(body), "list", splices as Record<string, unknown>)]));

  it("sets members in every object of an array, and changes nothing else of it", () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.jsonValue({ maxDepth: 2 }), fc.record({ params: fc.record({ model: fc.string(), other: fc.jsonValue({ maxDepth: 1 }) }) })), { maxLength: 4 }), space, (list, gap) => {
        const written = list.map((element) => `${gap}${JSON.stringify(element)}${gap}`);
        const spliced = join(`{"a":1.0,"list":[${written.join(",")}${list.length === 0 ? gap : ""}],"b":[]}`, { params: new InnerSplices({ model: "m" }) });
        const isObject = (value: unknown): value is object => typeof value === "object" && value !== null && !Array.isArray(value);
        const expected = (asJson(list) as unknown[]).map((element) => {
          if (!isObject(element)) return element;
          const { params } = element as { params?: unknown };
          return { ...element, params: { ...(isObject(params) ? params : {}), model: "m" } };
        });
        expect(JSON.parse(spliced)).toEqual({ a: 1, list: expected, b: [] });
        for (const element of written.filter((_, index) => !isObject(list[index]))) expect(spliced).toContain(element);
        expect(spliced.startsWith('{"a":1.0,')).toBe(true);
      }),
    );
  });

  it("refuses a member that stands twice, and leaves what is no array as it is", () => {
    for (const twice of ['{"list":[{},{"model":1,"mod\\u0065l":2}]}', '{"list":[{}],"list":[]}']) expect(() => join(twice, { model: "m" })).toThrowError(expect.objectContaining({ reason: "INVALID_REQUEST" }));
    expect(join('{"list": {"model":1} }', { model: "m" })).toBe('{"list": {"model":1} }');
  });
});

describe("withoutMember", () => {
  it("gives the object without the member, and leaves every byte between the others as it came", () => {
    fc.assert(
      fc.property(members, fc.nat(5), space, (entries, index, gap) => {
        const [name] = entries[index] ?? ["absent"];
        const kept = textOf(withoutMember(bytesOf(write(entries, gap)), name));
        const others = entries.filter(([other]) => other !== name);
        expect(JSON.parse(kept)).toEqual(JSON.parse(write(others, "")));
        for (const other of others) expect(kept).toContain(write([other], gap).trim().slice(1, -1).trim());
      }),
    );
  });

  it.each([
    ['{"model":"m"}', "{}"],
    ['{ "model" : "m" , "a" : 1.0e+2 }', '{ "a" : 1.0e+2 }'],
    ['{"a":"x,y","model":"m" }', '{"a":"x,y" }'],
    ['{"a":{"model":1},"model":2,"b":3}', '{"a":{"model":1},"b":3}'],
    ['{"a":1}', '{"a":1}'],
  ])("of %s leaves %s", (body, rest) => {
    expect(textOf(withoutMember(bytesOf(body), "model"))).toBe(rest);
  });

  it("refuses a member that stands twice", () => {
    expect(() => withoutMember(bytesOf('{"model":1,"mod\\u0065l":2}'), "model")).toThrowError(expect.objectContaining({ reason: "INVALID_REQUEST" }));
  });
});

describe("spliceJson", () => {
  it("gives the object with the members set", () => {
    fc.assert(
      fc.property(members, splices, space, (entries, wanted, gap) => {
        const spliced = textOf(spliceJson(bytesOf(write(entries, gap)), wanted));
        const expected = new Map([...entries, ...Object.entries(wanted)]);
        expect(JSON.parse(spliced)).toEqual(JSON.parse(write([...expected], "")));
      }),
    );
  });

  it("leaves every other byte as it came", () => {
    fc.assert(
      fc.property(members, splices, space, (entries, wanted, gap) => {
        const spliced = textOf(spliceJson(bytesOf(write(entries, gap)), wanted));
        const present = entries.map(([name, value]) => [name, Object.hasOwn(wanted, name) ? wanted[name] : value] as const);
        const names = new Set(entries.map(([name]) => name));
        const added = Object.entries(wanted).filter(([name]) => !names.has(name));
        const additions = added.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`).join(",");
        const before = write(present, gap);
        const brace = before.length - gap.length - 1;
        const comma = additions !== "" && entries.length > 0 ? "," : "";
        expect(spliced).toBe(before.slice(0, brace) + comma + additions + before.slice(brace));
      }),
    );
  });

  it("returns the same bytes when there is nothing to set", () => {
    const body = bytesOf('{"big":12345678901234567890,"e":1.0e+2}');
    expect(textOf(spliceJson(body, { model: undefined }))).toBe(textOf(body));
  });

  it("touches no member of the same name further down", () => {
    const body = '{"messages":[{"model":"inner"}],"text":"\\"model\\":1","model":"outer"}';
    expect(textOf(spliceJson(bytesOf(body), { model: "new" }))).toBe('{"messages":[{"model":"inner"}],"text":"\\"model\\":1","model":"new"}');
  });

  it("knows a name by its meaning, not by its spelling", () => {
    expect(textOf(spliceJson(bytesOf('{"mod\\u0065l":"old"}'), { model: "new" }))).toBe('{"mod\\u0065l":"new"}');
  });

  it("refuses a member to set that stands twice, and lets other doubles be", () => {
    expect(() => spliceJson(bytesOf('{"model":1,"mod\\u0065l":2}'), { model: "new" })).toThrowError(expect.objectContaining({ reason: "INVALID_REQUEST" }));
    expect(textOf(spliceJson(bytesOf('{"x":1,"x":2}'), { model: "new" }))).toBe('{"x":1,"x":2,"model":"new"}');
  });

  it("works on bytes in the middle of a larger buffer", () => {
    const whole = Buffer.from('xx{"model":"old"}yy');
    expect(textOf(spliceJson(whole.subarray(2, whole.length - 2), { model: "new" }))).toBe('{"model":"new"}');
  });
});

describe("parseJsonObject", () => {
  it("parses any object that JSON.stringify writes", () => {
    fc.assert(fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (object) => {
      expect(parseJsonObject(bytesOf(JSON.stringify(object)))).toEqual(asJson(object));
    }));
  });

  it.each([
    ['{\n  "a": 1,\n  "b": oops\n}', 3, 8],
    ['{"a": 1', 1, 8],
    ["", 1, 1],
    ['{"a": 1,}', 1, 9],
    ['{"a": [1, 2,]}', 1, 13],
    ['{"a" 1}', 1, 6],
    ["{'a': 1}", 1, 2],
    ['{"a": 01}', 1, 7],
    ['{"a": "x\ny"}', 1, 7],
    ['{"a": [}', 1, 8],
    ['{"a": 1} {', 1, 10],
    ['{"a": truely}', 1, 7],
  ])("says where the fault in %j is", (text, line, column) => {
    expect(() => parseJsonObject(bytesOf(text))).toThrowError(
      expect.objectContaining({ reason: "MALFORMED_BODY", metadata: { line: String(line), column: String(column) } }),
    );
  });

  it("finds the place where valid JSON was broken off", () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.nat(), (object, place) => {
        const text = JSON.stringify(object);
        const cutText = text.slice(0, place % text.length);
        expect(() => parseJsonObject(Buffer.from(cutText))).toThrowError(expect.objectContaining({ reason: "MALFORMED_BODY" }));
      }),
    );
  });

  it("stays quick on a deep or long body with a fault at its end", () => {
    const beginMs = performance.now();
    for (const text of [`{"a":${"[".repeat(200_000)}`, `{"a":"${"x".repeat(4_000_000)}`, `{"a":${"1".repeat(1_000_000)}x}`]) {
      expect(() => parseJsonObject(Buffer.from(text))).toThrowError(expect.objectContaining({ reason: "MALFORMED_BODY" }));
    }
    expect(performance.now() - beginMs).toBeLessThan(2_000);
  });

  it("refuses what is no object", () => {
    for (const text of ["[]", "null", "1", '"x"']) {
      expect(() => parseJsonObject(bytesOf(text))).toThrowError(expect.objectContaining({ reason: "INVALID_REQUEST" }));
    }
  });
});
