/** Owns what the pipeline is told of a call, made from what was asked, whatever door it came through. */
import { accountOf } from "./account/account-objects.ts";
import { generationBound, generationFor, needsFor, relayBound, relayFor, unaryBound, unaryFor, type AskedGeneration, type AskedRelay, type AskedUnary } from "./asked-forms.ts";
import { sizeOfGeneration, sizeOfUnary } from "./call-size.ts";
import type { Call } from "./call.ts";
import { noTokens } from "./rate-limits/token-estimate.ts";
import type { UnaryName } from "./unary-operation.ts";

/** A call without who makes it. */
export type AskedCall = Pick<Call, "operation" | "model" | "operationFor" | "boundAt" | "needs" | "plan" | "size" | "generation" | "ownAccount">;

export function generationCall(asked: AskedGeneration): AskedCall {
  return {
    operation: "generate",
    model: asked.model,
    operationFor: (target, strict, inTypes) => generationFor(asked, target, strict, inTypes),
    boundAt: generationBound(asked),
    needs: needsFor(asked),
    size: sizeOfGeneration(asked),
    generation: () => ({ generation: asked.toGeneration(), unknownFields: asked.unknownFields() }),
    ownAccount: asked.files.size === 0 ? undefined : accountOf(asked.files),
  };
}

export function unaryCall<Name extends UnaryName>(asked: AskedUnary<Name>): AskedCall {
  return { operation: asked.operation, model: asked.model, operationFor: (target, strict) => unaryFor(asked, target, strict), boundAt: unaryBound(asked), size: sizeOfUnary(asked) };
}

export function relayedCall(asked: AskedRelay): AskedCall {
  const { operation, call } = asked;
  return { operation, model: call.model, operationFor: (target, strict) => relayFor(asked, target, strict), boundAt: relayBound(asked), size: { isStream: call.stream, tokens: () => noTokens } };
}
