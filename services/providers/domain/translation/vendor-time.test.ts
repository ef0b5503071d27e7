/** Owns the proof that no time of a vendor makes a reply that cannot be written. */
import { create, toBinary, toJson } from "@bufbuild/protobuf";
import { timestampDate } from "@bufbuild/protobuf/wkt";
import { describe, expect, it } from "vitest";
import { GenerateResponseSchema } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { readIsoTime, readSeconds } from "./vendor-time.ts";

describe("a vendor's time", () => {
  it("is read from seconds and from ISO 8601", () => {
    expect(timestampDate(readSeconds(1_700_000_000)!).toISOString()).toBe("2023-11-14T22:13:20.000Z");
    expect(timestampDate(readIsoTime("2023-11-14T22:13:20.5Z")!).toISOString()).toBe("2023-11-14T22:13:20.500Z");
  });

  it.each([undefined, null, "", "soon", -1, 1.5, Number.NaN, 1_700_000_000_000, Number.MAX_SAFE_INTEGER, 1e300])("is left out where %s stands", (value) => {
    expect(readSeconds(value)).toBeUndefined();
  });

  it.each([undefined, 5, "", "soon", "-000001-01-01T00:00:00Z", "+010000-01-01T00:00:00Z", "+275760-09-13T00:00:00Z"])("is left out where the text %s stands", (value) => {
    expect(readIsoTime(value)).toBeUndefined();
  });

  it.each([readSeconds(0), readSeconds(253_402_300_799), readIsoTime("9999-12-31T23:59:59.999Z")])("can be written wherever it is read", (createTime) => {
    const response = create(GenerateResponseSchema, { createTime: createTime! });
    toJson(GenerateResponseSchema, response);
    toBinary(GenerateResponseSchema, response);
  });
});
