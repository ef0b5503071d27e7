import { create } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import { BudgetSchema } from "#gen/weir/policy/v1/budget_pb.ts";
import { fullness, budgetUse } from "./budget-use.ts";

const usage = { limitNanos: 2_000n, postedNanos: 10_000n, heldNanos: 500n, headroomNanos: 1_500n };

describe("what is used of a budget", () => {
  test("is what is spent of its limit, and held", () => {
    const budget = create(BudgetSchema, { usage: { ...usage, postedNanos: 1_000n, headroomNanos: 500n } });
    expect(budgetUse(budget)).toEqual({ limitNanos: 2_000n, spentNanos: 1_000n, heldNanos: 500n });
    expect(fullness(budget)).toBe(750);
  });

  test("is of the fullest, where each value has a budget of its own, and not of all together", () => {
    const budget = create(BudgetSchema, { subject: { labelName: "end_user", labelValue: "*" }, usage });
    expect(budgetUse(budget)).toEqual({ limitNanos: 2_000n, spentNanos: 500n, heldNanos: 0n, ofAllNanos: 10_000n });
    expect(fullness(budget)).toBe(250);
  });

  test("is unknown where it is not told", () => {
    expect(budgetUse(create(BudgetSchema))).toBeUndefined();
    expect(fullness(create(BudgetSchema))).toBe(0);
  });
});
