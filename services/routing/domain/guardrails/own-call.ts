/** Owns the calls that guardrails make themselves: on the account of the call whose texts are judged, marked by a label, and past the rules, which are for callers. */
import type { AskedCall } from "../asked-call.ts";
import { runCall, type PipelineDependencies, type Reply } from "../pipeline.ts";
import { planTargets } from "../plan.ts";
import { guardrailLabel } from "../reserved-labels.ts";
import type { Question } from "./outside-check.ts";

/** Budgets hold as for any call; the key need not be allowed the model, which whoever made the rule has chosen. */
export function runOwnCall(asked: AskedCall, { rule, call }: Question, signal: AbortSignal, dependencies: PipelineDependencies): Promise<Reply> {
  const { requestId, grant, labels, deadlineMs, span } = call;
  const plan = planTargets(asked.model, dependencies.view());
  const own = { ...asked, requestId, grant, labels: { ...labels, [guardrailLabel]: rule }, signal, deadlineMs, plan, span };
  return runCall(own, { ...dependencies, rulesOf: () => undefined });
}
