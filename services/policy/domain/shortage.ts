/** Owns what becomes of a call for which a budget has too little left. */
import { BudgetPeriod, BudgetShortage } from "#gen/weir/policy/v1/budget_pb.ts";
import { GatewayError } from "#platform/errors.ts";

export interface Shortage {
  readonly budgetId: string;
  readonly name: string;
  readonly period: BudgetPeriod;
  /** Undefined for all time. */
  readonly endsInMs: number | undefined;
  readonly shortage: BudgetShortage;
  readonly limitNanos: bigint;
  readonly postedNanos: bigint;
  readonly headroomNanos: bigint;
  /** Leases from which their holders may still draw. */
  readonly drawableLeases: number;
}

/** How long holders may take to give back what is called back, before a call is refused for the lack of it. */
const recallMs = 250;

/** How long a call may wait in all for room to come; 0 when it is to be refused now. */
export function patienceMs(short: Shortage, leastNanos: bigint, maxWaitMs: number): number {
  // Were nothing held, there would still be too little.
  if (leastNanos > short.limitNanos - short.postedNanos) return 0;
  const recall = short.drawableLeases > 0 ? recallMs : 0;
  return short.shortage === BudgetShortage.WAIT ? Math.max(maxWaitMs, recall) : recall;
}

export function budgetExceeded(short: Shortage, leastNanos: bigint): GatewayError {
  const { name, budgetId, period, limitNanos, headroomNanos, endsInMs } = short;
  const left = headroomNanos > 0n ? headroomNanos : 0n;
  const word = periodWords[period] ?? "period";
  const others = headroomNanos >= leastNanos ? ", for which other calls wait already" : "";
  const end = period === BudgetPeriod.ROLLING || endsInMs === undefined ? "" : `, or wait for its ${word} to end`;
  return new GatewayError(
    "BUDGET_EXCEEDED",
    `The budget "${name}" has ${dollars(left)} of ${dollars(limitNanos)} left${others}, and this call could cost ${dollars(leastNanos)}. Ask for less output, have the budget topped up${end}.`,
    {
      metadata: { budget: name, budget_id: budgetId, period: word, limit_nanos: limitNanos.toString(), headroom_nanos: left.toString() },
      quotaViolations: [{ subject: `budget="${name}"`, description: `The budget "${name}" has too little left.`, quotaMetric: "cost_nanos", quotaId: budgetId, quotaValue: limitNanos }],
      ...(endsInMs === undefined ? {} : { retryAfterMs: Math.max(0, Math.ceil(endsInMs)) }),
    },
  );
}

const periodWords: Readonly<Partial<Record<number, string>>> = {
  [BudgetPeriod.DAY]: "day",
  [BudgetPeriod.WEEK]: "week",
  [BudgetPeriod.MONTH]: "month",
  [BudgetPeriod.ROLLING]: "rolling period",
  [BudgetPeriod.TOTAL]: "total",
};

function dollars(nanos: bigint): string {
  const text = nanos.toString().padStart(10, "0");
  const fraction = text.slice(-9).replace(/0+$/, "").padEnd(2, "0");
  return `$${text.slice(0, -9)}.${fraction}`;
}
