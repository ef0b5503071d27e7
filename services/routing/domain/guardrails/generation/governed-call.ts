/** Owns a generation under guardrails about itself: held to their caps, with the instructions that they add, its reply judged, in whatever form it goes to a target. */
import type { AttemptRequest } from "#gen/weir/providers/v1/providers_service_pb.ts";
import type { Bound } from "../../budget/bound.ts";
import { withOutputMaximum } from "../../output-maximum.ts";
import type { Call } from "../../call.ts";
import type { Target } from "../../targets/plan.ts";
import type { CallGuard } from "../call-guard.ts";
import { heldTo, type HeldGeneration } from "./caps.ts";
import { instructionsOf, takesInstructions, withInstructions, type Instructions } from "./instructions.ts";
import { judgedReply, replyChecks, type JudgeJson } from "./reply-schema.ts";

type Operation = AttemptRequest["operation"];

/** The call itself where no rule is about generations. Throws GUARDRAIL_BLOCKED. */
export function governedCall(call: Call, guard: CallGuard, judge: JudgeJson): Call {
  const rules = guard.rulesOfGenerations;
  if (rules.length === 0 || call.generation === undefined) return call;
  const held = heldTo(rules, call.generation, guard);
  const instructions = instructionsOf(rules);
  const checks = replyChecks(rules, call.generation);
  return {
    ...call,
    operationFor(target, strict, inTypes) {
      const ask = (isTyped: boolean): Operation => withOutputMaximum(call.operationFor(target, strict, isTyped), held.outputMaximumAt(target));
      const operation = ask(inTypes || held.inTypes || checks.length > 0);
      return changed(instructions === undefined || takesInstructions(operation) ? operation : ask(true), held);
    },
    boundAt: (target) => governedBound(call.boundAt(target), target, held, instructions),
    ...(instructions === undefined ? {} : { complete: (operation) => withInstructions(operation, instructions) }),
    ...(checks.length === 0 ? {} : { watchReply: (messages) => judgedReply(messages, checks, guard, judge) }),
  };
}

function changed(operation: Operation, { changes }: HeldGeneration): Operation {
  if (operation.case !== "generate" && operation.case !== "streamGenerate") return operation;
  const generation = operation.value.generation!;
  if (generation.native !== undefined) return operation;
  return { case: operation.case, value: { ...operation.value, generation: { ...generation, ...changes } } } as Operation;
}

function governedBound(bound: Bound, target: Target, held: HeldGeneration, instructions: Instructions | undefined): Bound {
  const added = instructions?.mostTokens ?? 0n;
  const { output } = bound;
  return {
    ...bound,
    // The first is what is read.
    quantities: bound.quantities.map((one, index) => (index > 0 || one.quantity === undefined ? one : { ...one, quantity: one.quantity + added })),
    ...(output === undefined ? {} : { output: { ...output, maximumTokens: held.outputMaximumAt(target) ?? output.maximumTokens, candidates: BigInt(held.changes.candidateCount ?? output.candidates) } }),
  };
}
