/** Owns calls that Weir itself makes to a model on behalf of a caller's call, for guardrails and the cache: on the caller's account, under a label that tells them apart, and without the rules for callers. */
import type { AskedCall } from "./asked-call.ts";
import type { Call, Reply } from "./call.ts";
import { runCall, type PipelineDependencies } from "./pipeline.ts";
import { planFor } from "./targets/plan-call.ts";

/** The call for which it is made. */
export type OwnCallOf = Pick<Call, "requestId" | "grant" | "labels" | "deadlineMs" | "span">;

/** Budgets hold as for any call; the key need not be allowed the model, which whoever made the rule has chosen. */
export function runOwnCall(asked: AskedCall, { requestId, grant, labels, deadlineMs, span }: OwnCallOf, mark: Readonly<Record<string, string>>, signal: AbortSignal, dependencies: PipelineDependencies): Promise<Reply> {
  const own = { ...asked, requestId, grant, labels: { ...labels, ...mark }, signal, deadlineMs, span };
  return runCall({ ...own, plan: asked.plan ?? planFor(own, dependencies.view()) }, { ...dependencies, rulesOf: () => undefined });
}
