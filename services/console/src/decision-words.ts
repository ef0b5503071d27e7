/** Owns the words for what would become of a call, and why. */
import { durationMs } from "@bufbuild/protobuf/wkt";
import { RuleKind, type AppliedRule, type PlannedTarget } from "#gen/weir/routing/v1/decision_pb.ts";
import { dollars } from "./format/money.ts";
import { count, milliseconds } from "./format/number.ts";

const kinds: Readonly<Record<number, string>> = {
  [RuleKind.KEY]: "bound of the key",
  [RuleKind.RATE_LIMIT]: "rate limit",
  [RuleKind.BUDGET]: "budget",
  [RuleKind.GUARDRAIL]: "guardrail",
};

export function kindOf(kind: RuleKind): string {
  return kinds[kind] ?? "";
}

export function stateOf(state: AppliedRule["state"]): string {
  switch (state.case) {
    case "rateLimit": {
      const { value } = state;
      const amount = value.count === "spend" ? dollars : count;
      return `needs ${amount(value.needed)}, ${amount(value.remaining)} of ${amount(value.amount)} ${value.count.replaceAll("_", " ")} are left to ${value.counter}`;
    }
    case "budget":
      return `needs at most ${dollars(state.value.neededNanos)}, ${dollars(state.value.usage?.headroomNanos ?? 0n)} of ${dollars(state.value.usage?.limitNanos ?? 0n)} are left`;
    case "guardrail":
      return `${state.value.mode}: found ${state.value.found.map((detector) => detector.replaceAll("_", " ")).join(", ") || "nothing"}`;
    default:
      return "";
  }
}

/** By what a target has its place in the route. */
export function standingOf(standing: PlannedTarget["standing"]): string {
  switch (standing.case) {
    case "weight":
      return `weight ${standing.value}`;
    case "estimatedNanos":
      return `about ${dollars(standing.value)}`;
    case "latency":
      return `begins after ${milliseconds(BigInt(durationMs(standing.value)))}`;
    default:
      return "as listed";
  }
}
