import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { cutPage, readPage } from "./page.ts";

const scope = ["teams", "org_1"];

describe("pages", () => {
  it("have 100 entries unless the request says otherwise", () => {
    expect(readPage({ pageSize: 0, pageToken: "" }, scope, 1)).toEqual({ size: 100, after: undefined });
    expect(readPage({ pageSize: 7, pageToken: "" }, scope, 1)).toEqual({ size: 7, after: undefined });
  });

  it.each([-1, 1001])("are refused with a size of %i", (pageSize) => {
    expect(() => readPage({ pageSize, pageToken: "" }, scope, 1)).toThrow(expect.objectContaining({ reason: "INVALID_REQUEST" }));
  });

  it("go on behind the last entry, whatever it is called", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), fc.string(), (name, id) => {
        const page = readPage({ pageSize: 1, pageToken: "" }, scope, 2);
        const { nextPageToken } = cutPage([[name, id], ["more", ""]], page, scope, (entry) => entry);
        expect(readPage({ pageSize: 1, pageToken: nextPageToken }, scope, 2).after).toEqual([name, id]);
      }),
    );
  });

  it("carry a token only when there is more", () => {
    const page = readPage({ pageSize: 2, pageToken: "" }, scope, 1);
    expect(cutPage(["a", "b"], page, scope, (entry) => [entry])).toEqual({ entries: ["a", "b"], nextPageToken: "" });
    expect(cutPage(["a", "b", "c"], page, scope, (entry) => [entry])).toEqual({ entries: ["a", "b"], nextPageToken: expect.stringMatching(/^[\w-]+$/) });
    expect(cutPage([], page, scope, (entry: string) => [entry])).toEqual({ entries: [], nextPageToken: "" });
  });

  it("refuse the token of another list", () => {
    const { nextPageToken } = cutPage(["a", "b"], { size: 1, after: undefined }, ["teams", "org_2"], (entry) => [entry]);
    expect(() => readPage({ pageSize: 0, pageToken: nextPageToken }, scope, 1)).toThrow(expect.objectContaining({ reason: "INVALID_REQUEST" }));
  });

  it("refuse junk for a token", () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), (pageToken) => {
        expect(() => readPage({ pageSize: 0, pageToken }, scope, 1)).toThrow(expect.objectContaining({ reason: "INVALID_REQUEST" }));
      }),
    );
  });
});
