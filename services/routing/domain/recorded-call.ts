/** Owns what a trace says of a call, in OpenTelemetry's words for generative AI and in Weir's: never what was asked or answered. */
import { toGatewayError } from "#platform/errors.ts";
import { genAiOperation } from "#platform/tracing/gen-ai-operation.ts";
import type { Span } from "#platform/tracing/span.ts";
import type { CacheUse } from "./cache/call-cache.ts";
import { wordFor } from "./capability.ts";
import type { Call, Reply } from "./pipeline.ts";
import type { Target } from "./plan.ts";

/** Callers can make a model's name as long as they like. */
const mostCharacters = 100;

export function recordCall({ span, operation, model, grant }: Call): void {
  if (span === undefined) return;
  const word = genAiOperation(wordFor(operation));
  span.rename(`${word} ${model.slice(0, mostCharacters)}`.trimEnd());
  span.note({ "gen_ai.operation.name": word, "gen_ai.request.model": model === "" ? undefined : model, "weir.organization_id": grant.organizationId, "weir.team_id": grant.teamId, "weir.key_id": grant.keyId });
}

export function recordReply(span: Span | undefined, { route, target }: Reply, cacheUse: CacheUse | undefined): void {
  span?.note({ "weir.route": route === "" ? undefined : route, "weir.target": target.name, "weir.cache": cacheUse?.outcome });
}

/** Also of a target to which nothing was sent, and of which providers therefore tell nothing. */
export function recordFailure(span: Span | undefined, target: Target, error: unknown): void {
  span?.tell("weir.target_failed", { "weir.target": target.name, "error.type": toGatewayError(error).reason });
}
