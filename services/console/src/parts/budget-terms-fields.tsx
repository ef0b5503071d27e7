/** Owns the fields of a budget that can be changed later: its name, its limit, and what happens there. */
import type { ReactNode } from "react";
import { BudgetEnforcement, BudgetShortage } from "#gen/weir/policy/v1/budget_pb.ts";
import { dollarsPattern, plainDollars, readDollarsField } from "../format/money.ts";
import { Choice, Field, textOf } from "./fields.tsx";

interface BudgetTerms {
  readonly name: string;
  readonly limitNanos: bigint;
  readonly enforcement: BudgetEnforcement;
  readonly shortage: BudgetShortage;
  readonly alertPercents: number[];
}

interface BudgetTermsFieldsProps {
  /** What stands in the fields at first. */
  readonly terms: Omit<BudgetTerms, "limitNanos"> & { readonly limitNanos: bigint | undefined };
  /** What cannot be changed later. */
  readonly children?: ReactNode;
}

export function BudgetTermsFields({ terms: { name, limitNanos, enforcement, shortage, alertPercents }, children }: BudgetTermsFieldsProps): ReactNode {
  return (
    <>
      <Field label="Name" name="name" required maxLength={100} autoFocus placeholder="research, monthly" defaultValue={name} />
      <Field label="Limit in US dollars" name="limit" required inputMode="decimal" pattern={dollarsPattern} placeholder="100.00" defaultValue={limitNanos === undefined ? undefined : plainDollars(limitNanos)} />
      {children}
      <Choice label="At the limit" name="enforcement" defaultValue={enforcement}>
        <option value={BudgetEnforcement.HARD}>calls are not made</option>
        <option value={BudgetEnforcement.SOFT}>calls go on, and are counted</option>
      </Choice>
      <Choice label="A call that could cost more than is left" name="shortage" defaultValue={shortage}>
        <option value={BudgetShortage.REFUSE}>is refused</option>
        <option value={BudgetShortage.CLAMP}>may write less</option>
        <option value={BudgetShortage.WAIT}>waits for others to end</option>
      </Choice>
      <Field label="Tell when so many percent are spent" name="alerts" defaultValue={alertPercents.join(", ")} pattern="[0-9, %]*" />
    </>
  );
}

export function budgetTermsIn(fields: FormData): BudgetTerms {
  return {
    name: textOf(fields, "name"),
    limitNanos: readDollarsField(textOf(fields, "limit")),
    enforcement: Number(textOf(fields, "enforcement")) as BudgetEnforcement,
    shortage: Number(textOf(fields, "shortage")) as BudgetShortage,
    alertPercents: (textOf(fields, "alerts").match(/\d+/g) ?? []).map(Number),
  };
}
