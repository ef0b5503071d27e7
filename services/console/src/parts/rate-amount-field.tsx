/** Owns the field for how much a rate limit lets through: a number, or dollars. */
import type { ReactNode } from "react";
import { dollarsPattern, plainDollars, readDollarsField } from "../format/money.ts";
import { Field, textOf } from "./fields.tsx";

interface RateAmountFieldProps {
  readonly count: string;
  /** What stands in it at first. */
  readonly amount?: bigint;
}

export function RateAmountField({ count, amount }: RateAmountFieldProps): ReactNode {
  // A key for each kind: what was written as one is not taken for the other.
  if (count === "spend") return <Field key="dollars" label="At most, in US dollars" name="amount" required inputMode="decimal" pattern={dollarsPattern} placeholder="10.00" defaultValue={amount === undefined ? undefined : plainDollars(amount)} />;
  return <Field key="number" label="At most" name="amount" required inputMode="numeric" pattern="[1-9][0-9]{0,14}" placeholder="600" defaultValue={amount?.toString()} />;
}

export function rateAmountIn(fields: FormData, count: string): bigint {
  const text = textOf(fields, "amount");
  return count === "spend" ? readDollarsField(text) : BigInt(text);
}
