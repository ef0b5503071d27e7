/** Owns what is recorded of a call at each of its turns, in its notes and in its trace (in the words of OpenTelemetry for generative AI and in Weir's): never what was asked or answered. */
import { toGatewayError } from "#platform/errors.ts";
import { genAiOperation } from "#platform/tracing/gen-ai-operation.ts";
import type { CacheUse } from "../cache/call-cache.ts";
import { wordFor } from "../targets/capability.ts";
import type { Call, Reply } from "../call.ts";
import type { Target } from "../targets/plan.ts";

/** Callers can make a model's name as long as they like. */
const mostCharacters = 100;

export function recordCall(call: Call): void {
  const { span, notes, operation, model, grant } = call;
  if (notes !== undefined) notes.call = call;
  if (span === undefined) return;
  const word = genAiOperation(wordFor(operation));
  span.rename(`${word} ${model.slice(0, mostCharacters)}`.trimEnd());
  span.note({ "gen_ai.operation.name": word, "gen_ai.request.model": model === "" ? undefined : model, "weir.organization_id": grant.organizationId, "weir.team_id": grant.teamId, "weir.key_id": grant.keyId });
}

export function recordReply({ span, notes }: Call, { route, target }: Reply, cacheUse: CacheUse | undefined): void {
  if (notes !== undefined) {
    notes.target = target;
    notes.cacheUse = cacheUse;
  }
  span?.note({ "weir.route": route === "" ? undefined : route, "weir.target": target.name, "weir.cache": cacheUse?.outcome });
}

/** Also of a target to which nothing was sent, and of which providers therefore tell nothing. */
export function recordFailure({ span, notes }: Call, target: Target, error: unknown): void {
  notes?.passOver(target, error);
  span?.tell("weir.target_failed", { "weir.target": target.name, "error.type": toGatewayError(error).reason });
}
