import { create, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { describe, expect, test } from "vitest";
import { fromConnectError, GatewayError, toConnectError, toGatewayError } from "./errors.ts";

describe("GatewayError", () => {
  test("survives the way over Connect", () => {
    const error = new GatewayError("INVALID_REQUEST", "Wrong.", { metadata: { a: "1" }, retryAfterMs: 1_500, fieldViolations: [{ field: "model", description: "missing" }] });
    const back = fromConnectError(toConnectError(error));
    expect(back).toMatchObject({ reason: "INVALID_REQUEST", message: "Wrong.", metadata: { a: "1" }, retryAfterMs: 1_500, code: Code.InvalidArgument });
    expect(back.fieldViolations).toMatchObject([{ field: "model", description: "missing" }]);
  });

  test("has room in headers, however much it says, and its reason with it", () => {
    const long = "ö".repeat(10_000);
    const fieldViolations = Array.from({ length: 1_000 }, (_, index) => ({ field: `targets[${index}]`, description: long }));
    const quotaViolations = fieldViolations.map(() => ({ subject: "", description: long, quotaMetric: "", quotaId: "", quotaValue: 1n }));
    const { rawMessage, details } = toConnectError(new GatewayError("INVALID_REQUEST", `a${long}`, { metadata: { tried: long, status: "400" }, retryAfterMs: 1_500, fieldViolations, quotaViolations }));
    const bytes = details.reduce((sum, detail) => sum + ("desc" in detail ? toBinary(detail.desc, create(detail.desc, detail.value)).length : 0), 0);
    expect(bytes).toBeLessThan(5_000);
    expect(rawMessage).toBe(`a${"ö".repeat(999)}…`);
    const back = fromConnectError(toConnectError(new GatewayError("INVALID_REQUEST", long, { fieldViolations, quotaViolations })));
    expect(back.fieldViolations.map(({ field }) => field)).toEqual(["targets[0]", "targets[1]"]);
    expect(back.quotaViolations).toHaveLength(2);
  });

  test("an error without ErrorInfo gets the nearest reason", () => {
    expect(fromConnectError(new ConnectError("gone", Code.Unavailable)).reason).toBe("DEPENDENCY_UNAVAILABLE");
  });

  test("what Weir did not throw itself is opaque to the caller and kept as the cause", () => {
    const cause = new Error("password=hunter2");
    const error = toGatewayError(cause);
    expect(error).toMatchObject({ reason: "INTERNAL", cause });
    expect(error.message).not.toContain("hunter2");
    expect(toConnectError(error).message).not.toContain("hunter2");
  });

  test("a vendor's refusal keeps the vendor's status, and no other does", () => {
    expect(new GatewayError("UPSTREAM_REJECTED", "", { metadata: { status: "422" } }).httpStatus).toBe(422);
    expect(new GatewayError("UPSTREAM_REJECTED", "", { metadata: { status: "200" } }).httpStatus).toBe(400);
    expect(new GatewayError("UPSTREAM_UNAVAILABLE", "", { metadata: { status: "418" } }).httpStatus).toBe(502);
  });
});
