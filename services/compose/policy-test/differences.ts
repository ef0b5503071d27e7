/** Owns how a decision differs from what a case says of it. */
import type { PolicyCase } from "#gen/weir/config/v1/policy_cases_pb.ts";
import { ErrorReason } from "#gen/weir/errors/v1/error_reason_pb.ts";
import type { ExplainDecisionResponse } from "#gen/weir/routing/v1/decision_pb.ts";
import { reasonName } from "../terminal/reason-name.ts";

type Expected = Pick<PolicyCase, "allowed" | "denied" | "by" | "target">;

/** For people: what should be, and what is; empty where they agree. */
export function differencesOf(expected: Expected, decision: ExplainDecisionResponse): string[] {
  const rule = decision.rules.find(({ decides }) => decides)?.name ?? "no rule";
  const target = decision.targets.find(({ reason }) => reason === ErrorReason.UNSPECIFIED)?.name ?? "none";
  const found = decision.allowed ? "allowed" : `denied: ${reasonName(decision.reason)}`;
  const wanted = expected.allowed ? "allowed" : `denied: ${expected.denied}`;
  const differences = [
    ...(wanted === found ? [] : [["", wanted, found]]),
    ...(expected.by === "" || expected.by === rule ? [] : [["by ", expected.by, rule]]),
    ...(expected.target === "" || expected.target === target ? [] : [["target ", expected.target, target]]),
  ];
  if (differences.length === 0) return [];
  return [...differences.flatMap(([what, should, is]) => [`- ${what}${should}`, `+ ${what}${is}`]), ...(decision.message === "" ? [] : [`  ${decision.message}`])];
}
