/** Owns the choice of a period, which stands in the page's address: it survives a reload, and can be sent to somebody. */
import type { ReactNode } from "react";
import { useSearchParams } from "wouter";
import { isPeriod, periods, type Period } from "../period.ts";

export function usePeriod(): Period {
  const [parameters] = useSearchParams();
  const period = parameters.get("period");
  return isPeriod(period) ? period : "24h";
}

export function PeriodPicker(): ReactNode {
  const period = usePeriod();
  const [, setParameters] = useSearchParams();
  const choose = (chosen: string): void =>
    setParameters((former) => {
      former.set("period", chosen);
      return former;
    });
  return (
    <fieldset className="segments">
      <legend className="hidden">Period</legend>
      {Object.entries(periods).map(([name, { title }]) => (
        <button key={name} type="button" aria-pressed={name === period} onClick={() => choose(name)}>{title}</button>
      ))}
    </fieldset>
  );
}
